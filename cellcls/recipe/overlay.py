"""Overlays: base recipes, variants and ``--set`` all change a recipe by the same mechanism.

Tables merge by key, a list replaces the list, a changed ``use`` drops the old settings, and a section that takes one of
several settings (``freeze``) is replaced as a whole. Each key keeps its origin: where it was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import attrs
import tomli

from cellcls.errors import UsageError
from cellcls.recipe.backslashes import advice_on
from cellcls.recipe.model import OUTER, OneOf
from cellcls.recipe.problems import Origin, Text
from cellcls.recipe.scan import Path, Place, Span, TomlTable
from cellcls.recipe.structure import default_use, section_at


@attrs.frozen
class Layer:
    """TOML data with the origin of each key."""

    data: TomlTable
    origins: dict[Path, Origin]

    def at(self, *path: str) -> Layer:
        """Return the table at ``path`` as a layer."""
        data: Any = self.data
        for key in path:
            data = data[key]
        depth = len(path)
        inner = {where[depth:]: origin for where, origin in self.origins.items() if where[:depth] == path}
        return Layer(data, {where: origin for where, origin in inner.items() if where})

    def without(self, *keys: str) -> Layer:
        """Return the layer without some top-level keys."""
        data = {key: value for key, value in self.data.items() if key not in keys}
        return Layer(data, {path: origin for path, origin in self.origins.items() if path[0] not in keys})


def merge(base: Layer, over: Layer) -> Layer:
    """Return ``base`` changed by ``over``."""
    if over.data.keys() & {"seed", "seeds"}:  # two ways to write the same setting: the newer one counts
        base = base.without("seed", "seeds")
    origins = dict(base.origins)
    data = _merged(base.data, over.data, (), origins)
    return Layer(data, {**origins, **over.origins})


def _merged(base: Any, over: Any, path: Path, origins: dict[Path, Origin]) -> Any:
    if isinstance(base, list) and isinstance(over, dict) and all(isinstance(key, int) for key in over):
        return [  # only --set reaches into a list, by position
            _merged(item, over[number], (*path, number), origins) if number in over else item
            for number, item in enumerate(base)
        ]
    if not (isinstance(base, dict) and isinstance(over, dict)) or _other_choice(base, over, path):
        for gone in [where for where in origins if where[: len(path)] == path]:
            del origins[gone]
        return over
    kept = dict(base)
    for key, value in over.items():
        kept[key] = _merged(base[key], value, (*path, key), origins) if key in base else value
    return kept


def _other_choice(base: TomlTable, over: TomlTable, path: Path) -> bool:
    """Return whether ``over`` replaces ``base``: it names another component, or the section takes one setting only."""
    section = section_at(path)
    if section is not None and issubclass(section, OneOf):
        return True
    if "use" not in over or not path:
        return False
    old = base.get("use", default_use(path))
    return bool(over["use"] != old)


def set_value(layer: Layer, assignment: str) -> Layer:
    """Return ``layer`` with ``KEY=VALUE`` applied: KEY is dotted (``stages.0.optimizer.lr``), VALUE TOML or bare text.

    Raises ``UsageError`` if there is no ``=`` or KEY leads to a list entry that does not exist.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {assignment}: write KEY=VALUE, as in --set stages.0.optimizer.lr=1e-4")
    parts = [part.strip() for part in key.strip().split(".")]
    if not all(parts):
        raise UsageError(f"--set {assignment}: `{key.strip()}` has an empty name next to a dot")
    if parts[0] in OUTER and parts[0] != "seeds":
        raise UsageError(f"--set {assignment}: `{parts[0]}` cannot be set here; write it in the recipe file")
    written = Text(f"--set {assignment}", assignment, is_file=False)
    value = parsed(text.strip())
    over, path = _nested(layer.data, parts, value, assignment)
    # the origin is the whole assignment, which is shown as it was typed, without carets
    origin = Origin(written, Place(Span(0, len(key)), Span(len(key) + 1, len(assignment))))
    return merge(layer, Layer(over, dict.fromkeys([path, *_inside(value, path)], origin)))


def as_override(key: str, value: Any) -> str:
    """Return a setting as ``--set`` takes it. Raises ``UsageError`` for a value that TOML does not have."""
    return f"{key}={_toml(key, value)}"


def _toml(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str | FilePath):
        return json.dumps(str(value), ensure_ascii=False)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(key, item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(name)} = {_toml(key, item)}' for name, item in value.items())} }}"
    raise UsageError(
        f"set {key}: {value!r} cannot be a value of a recipe; use a string, number, boolean, list or table"
    )


def parsed(text: str) -> Any:
    """Return the TOML value of a text from the command line, or the text itself if it is not TOML.

    Raises ``UsageError`` for a string in double quotes that TOML cannot read for its backslashes.
    """
    try:
        data = tomli.loads(f"v={text}")
    except (ValueError, RecursionError) as error:  # not TOML, nested too deep, or a huge number
        if text.startswith(('"', "[", "{")) and (advice := advice_on(str(error), text)):
            raise UsageError(f"{text}: broken TOML: {str(error).partition(' (at ')[0]}", advice) from error
        return text
    return data["v"] if len(data) == 1 else text


def _inside(value: Any, path: Path) -> Iterator[Path]:
    """Yield the path of everything in ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _inside(item, (*path, key))


def _nested(data: Any, parts: list[str], value: Any, assignment: str) -> tuple[TomlTable, Path]:
    """Return the overlay for ``parts = value``, and its path with list indices as numbers."""
    path: list[str | int] = []
    here = data
    for part in parts:
        if isinstance(here, list):
            if not part.isdecimal() or int(part) >= len(here):
                raise UsageError(
                    f"--set {assignment}: `{'.'.join(map(str, path))}` is a list of length {len(here)}; "
                    f"`{part}` is not one of its indices (from 0)"
                )
            path.append(int(part))
            here = here[int(part)]
        else:
            path.append(part)
            here = here.get(part, {}) if isinstance(here, dict) else {}
    nested: Any = value
    for step in reversed(path):
        nested = {step: nested}
    return nested, tuple(path)
