"""Writes a recipe back to TOML, with every default filled in and the origin of each value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Any

import attrs
import tomli_w

from cellcls.api import Component
from cellcls.recipe.model import Recipe
from cellcls.recipe.scan import Path, TomlTable
from cellcls.recipe.structure import fields_of

Comment = Callable[[Path], str]


def to_data(value: Any) -> Any:
    """Return a recipe, section or component as TOML data; settings that are None are left out."""
    if isinstance(value, list | tuple):
        return [to_data(item) for item in value]
    if isinstance(value, Mapping):
        return {key: to_data(item) for key, item in value.items()}
    if isinstance(value, FilePath):
        return str(value)
    if not attrs.has(type(value)):
        return value
    data: TomlTable = {"use": value.component_name} if isinstance(value, Component) else {}
    for name, field in fields_of(type(value)).items():
        item = to_data(getattr(value, field.attribute))
        if field.param.rest:
            data.update(item)
        elif item is not None:
            data[name] = item
    return data


def flat(data: Mapping[Any, Any], prefix: str = "") -> dict[str, object]:
    """Return TOML data by dotted name, as ``--set`` has it: ``stages.0.optimizer.lr``."""
    found: dict[str, object] = {}
    for key, item in data.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping):
            found |= flat(item, f"{name}.")
        elif _tables(item):
            found |= flat(dict(enumerate(item)), f"{name}.")
        else:
            found[name] = item
    return found


def differences(before: Component, after: Component) -> dict[str, str]:
    """Return the settings of ``after`` that ``before`` has not, by dotted name, as TOML has their values."""
    old, new = flat(to_data(before)), flat(to_data(after))
    return {name: inline(value) for name, value in new.items() if name not in old or old[name] != value}


def dump(recipe: Recipe, comment: Comment | None = None) -> str:
    """Return ``recipe`` as TOML; ``comment`` returns the comment for the line of a path."""
    data = to_data(recipe)
    lines = list(_lines(data, (), comment or (lambda _path: "")))
    return "\n".join(lines).lstrip("\n") + "\n"


def _lines(data: TomlTable, path: Path, comment: Comment) -> list[str]:
    plain = {key: value for key, value in data.items() if not _table(value) and not _tables(value)}
    lines = [_line(key, value, comment((*path, key))) for key, value in plain.items()]
    for key, value in data.items():
        if _table(value):
            lines += ["", f"[{_header((*path, key))}]", *_lines(value, (*path, key), comment)]
        elif _tables(value):
            for number, item in enumerate(value):
                lines += ["", f"[[{_header((*path, key))}]]", *_lines(item, (*path, key, number), comment)]
    return lines


def _table(value: Any) -> bool:
    return isinstance(value, dict)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _header(path: Path) -> str:
    return ".".join(_quoted(part) for part in path if isinstance(part, str))


def _quoted(key: str) -> str:
    return tomli_w.dumps({key: 0}).rpartition(" = ")[0]


def _line(key: str, value: Any, comment: str) -> str:
    text = f"{_quoted(key)} = {inline(value)}"
    return f"{text:<40}  # {comment}" if comment else text


def inline(value: Any) -> str:
    """Return TOML data on one line, as it is written after a key."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{_quoted(key)} = {inline(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")
