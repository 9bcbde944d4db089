"""Converts TOML data to typed objects, strictly: no coercion, no unknown keys, all problems collected with their paths.

Why not cattrs: each of its hooks had to be replaced to be strict, and its tree of exceptions turned into paths; this
walk is shorter than the replacements (docs/design/recipes.md).
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from cellcls.api import KINDS, Component, Param
from cellcls.errors import suggestion
from cellcls.ops.storage.paths import expanded
from cellcls.recipe.advice import advise, is_too_large
from cellcls.recipe.backslashes import has_drive, misread
from cellcls.recipe.model import OUTER, Recipe
from cellcls.recipe.problems import Problem
from cellcls.recipe.scan import Path, TomlTable
from cellcls.registry import Registry

INVALID: Any = object()
"""Placeholder for an invalid value, whose problem is already noted."""

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a string",
    FilePath: "a path (a string)",
}


@attrs.frozen
class Field:
    """A setting of a component or section: its name, type, default and documentation."""

    name: str
    attribute: str
    """Its name in Python, where reserved words get an underscore (``from_``)."""
    type: Any
    param: Param
    default: Any
    default_data: Any
    required: bool


def fields_of(cls: type[Any]) -> dict[str, Field]:
    """Return the settings of a component or section class by name."""
    hints = typing.get_type_hints(cls)
    found = {}
    for attribute in attrs.fields(cls):
        default = attribute.default
        if hasattr(default, "factory"):
            default = default.factory()
        data = attribute.metadata.get("default_data")
        name = attribute.name.rstrip("_")
        found[name] = Field(
            name=name,
            attribute=attribute.name,
            type=hints[attribute.name],
            param=attribute.metadata.get("param", Param(help="")),
            default=default,
            default_data=data,
            required=default is attrs.NOTHING and data is None,
        )
    return found


def is_kind(target: Any) -> bool:
    """Return whether a type is a kind of component, which a recipe names with ``use``."""
    return isinstance(target, type) and issubclass(target, Component) and "component_name" not in vars(target)


def type_text(target: Any) -> str:
    """Return a type in words: ``a number or "none" or "balanced"``."""
    origin = get_origin(target)
    if target is types.NoneType:
        return "nothing"
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(arm) for arm in get_args(target) if arm is not types.NoneType)
    if origin is Literal:
        return " or ".join(f'"{value}"' for value in get_args(target))
    if origin is tuple:
        arms = get_args(target)
        if arms[-1] is Ellipsis:
            return f"a list (each {type_text(arms[0])})"
        return f"a list of {len(arms)} ({', '.join(map(type_text, arms))})"
    return _NAMES.get(target, "a table")


class Structurer:
    """Converts TOML data to objects, with the components of a registry; ``problems`` collects what is wrong."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.problems: list[Problem] = []

    def note(self, path: Path, message: str, hint: str = "", *, value: bool = True, missing: bool = False) -> Any:
        """Note a problem and return ``INVALID``."""
        self.problems.append(Problem(path, message, hint, value, missing))
        return INVALID

    def make(self, target: Any, value: Any, path: Path) -> Any:
        """Return ``value`` as an object of the type ``target``."""
        origin = get_origin(target)
        if origin in (Union, types.UnionType):
            return self._union(target, value, path)
        if not _fits(target, value):
            return self._misfit(target, value, path)
        if origin is tuple:
            return self._tuple(target, value, path)
        if origin in (dict, Mapping):
            return self._mapping(target, value, path)
        if is_kind(target):
            return self._component(target, value, path)
        if attrs.has(target):
            return self._section(target, value, path)
        if target is float:
            return float(value)
        if target is FilePath or (target is str and has_drive(value)):
            return self._path(target, value, path)
        return value

    def _path(self, target: Any, value: str, path: Path) -> Any:
        if wrong := misread(value):
            return self.note(path, f"`{_key(path)}` {wrong[0]}", wrong[1])
        return expanded(value) if target is FilePath else value

    def _union(self, target: Any, value: Any, path: Path) -> Any:
        arms = [arm for arm in get_args(target) if arm is not types.NoneType]
        fitting = [arm for arm in arms if _fits(arm, value)]
        if not fitting:
            return self._misfit(target, value, path)
        return self.make(fitting[0], value, path)

    def _misfit(self, target: Any, value: Any, path: Path) -> Any:
        wanted = f"a table with `use` ({target.kind})" if is_kind(target) else type_text(target)
        return self.note(path, f"`{_key(path)}` must be {wanted}, not {_shown(value)}", advise(target, value, path))

    def _tuple(self, target: Any, value: list[Any], path: Path) -> Any:
        arms = get_args(target)
        arm_of_each = arms[:1] * len(value) if arms[-1] is Ellipsis else arms
        items = [
            self.make(arm, item, (*path, number))
            for number, (arm, item) in enumerate(zip(arm_of_each, value, strict=True))
        ]
        return INVALID if any(item is INVALID for item in items) else tuple(items)

    def _mapping(self, target: Any, value: TomlTable, path: Path) -> Any:
        arm = get_args(target)[1]
        items = {key: self.make(arm, item, (*path, key)) for key, item in value.items()}
        return INVALID if any(item is INVALID for item in items.values()) else items

    def _component(self, kind: Any, value: TomlTable, path: Path) -> Any:
        name = value["use"] if "use" in value else default_use(path)
        if not isinstance(name, str):
            where = (*path, "use") if "use" in value else path
            problem = f'which {kind.kind}? write `use = "..."`' if name is None else "`use` must be a string"
            return self.note(where, problem, self._offer(kind.kind), value=name is not None)
        cls = self.registry.find(kind.kind, name)
        if cls is None:
            of_another = any(self.registry.find(kind_name, name) for kind_name in KINDS)
            where = (*path, "use") if "use" in value else path
            hint = self.registry.instead_of(kind.kind, name) + self._offer(kind.kind)
            return self.note(where, f"no {kind.kind} is called `{name}`", hint, missing=not of_another)
        return self._section(cls, {key: item for key, item in value.items() if key != "use"}, path)

    def _offer(self, kind: str) -> str:
        return f"available: {', '.join(self.registry.names(kind))}.  More: cellcls describe {kind}"

    def _section(self, cls: type, value: TomlTable, path: Path) -> Any:
        fields = fields_of(cls)
        before = len(self.problems)
        values = dict(self._known(cls, fields, value, path))
        rest = next((field for field in fields.values() if field.param.rest), None)
        unknown = {key: item for key, item in value.items() if key not in fields or (rest and key == rest.name)}
        if rest:
            values[rest.name] = self.make(rest.type, unknown, path)
        else:
            for key in unknown:
                self._unknown(cls, fields, (*path, key))
        if len(self.problems) > before:
            return INVALID
        return self._built(cls, {fields[name].attribute: item for name, item in values.items()}, path)

    def _known(self, cls: type, fields: dict[str, Field], value: TomlTable, path: Path) -> Iterator[tuple[str, Any]]:
        for name, field in fields.items():
            if field.param.rest:
                continue
            where = (*path, name)
            before = len(self.problems)
            if name in value or field.default_data is not None:
                item = self.make(field.type, value.get(name, field.default_data), where)
                problem = field.param.problem(item) if item is not INVALID else None
                if problem:
                    self.note(where, f"`{name}` {problem}")
                yield name, item
            elif field.required:
                self.note(path, f"`{name}` is missing: {type_text(field.type)}", value=False)
            self._tell_more(before, {where, path}, field.param.help, _more(cls))

    def _tell_more(self, first: int, places: set[Path], about: str, see: str) -> None:
        """Add the help of a setting and where to read more to the problems noted since ``first`` at ``places``, which
        are its own and not those of its contents."""
        for number, problem in enumerate(self.problems[first:], first):
            if problem.path in places and "More:" not in problem.hint:
                self.problems[number] = attrs.evolve(problem, hint=f"{problem.hint or about}  {see}")

    def _unknown(self, cls: type, fields: dict[str, Field], path: Path) -> None:
        key = str(path[-1])
        names = [name for name in fields if not fields[name].param.rest]
        if issubclass(cls, Component):
            owner = cls.component_name
        elif len(path) > 1:
            owner = _key(path[:-1])
        else:
            owner = "a recipe"
            names += OUTER
        takes = f"{owner} takes: {', '.join(names)}.  {_more(cls)}" if names else f"{owner} takes no settings"
        what = "section or key" if len(path) == 1 else "setting"
        self.note(path, f"{owner} has no {what} `{key}`", suggestion(key, names) + takes, value=False)

    def _built(self, cls: type, settings: dict[str, Any], path: Path) -> Any:
        try:
            built = cls(**settings)
        except (ValueError, TypeError) as error:  # the class's own validators
            return self.note(path, f"`{_key(path)}`: {error}")
        if isinstance(built, Component):
            found = list(built.problems())
            for key, message, hint in found:
                self.note((*path, key), message, f"{hint}.")
            if found:
                return INVALID
        problem = built.problem() if hasattr(built, "problem") else None
        return self.note(path, f"`{_key(path)}` {problem}") if problem else built


def _more(cls: type[Any]) -> str:
    """Return the command that describes a section or component."""
    if issubclass(cls, Component):
        return f"More: cellcls describe {cls.kind} {cls.component_name}"
    return "More: cellcls describe recipe"


def default_use(path: Path) -> str | None:
    """Return the default of ``use`` at ``path``."""
    field = _field_at(path)
    data = field.default_data if field else None
    return data.get("use") if isinstance(data, dict) else None


def section_at(path: Path) -> type[Any] | None:
    """Return the class of the section at ``path``; None for components and unknown paths."""
    field = _field_at(path)
    return _section_in(field.type) if field else None


def _field_at(path: Path) -> Field | None:
    """Return the setting that a path through sections leads to. Indices of lists are ignored and may be absent."""
    field: Field | None = None
    owner: type[Any] | None = Recipe
    for name in path:
        if isinstance(name, int):
            continue
        field = fields_of(owner).get(name) if owner else None
        if field is None:
            return None
        owner = _section_in(field.type)
    return field


def _section_in(target: Any) -> type[Any] | None:
    """Return the section class that a type is, or that a list or union of it contains."""
    if isinstance(target, type) and attrs.has(target):
        return None if issubclass(target, Component) else target
    return next((found for arm in get_args(target) if (found := _section_in(arm))), None)


def _fits(target: Any, value: Any) -> bool:
    """Return whether ``value`` has the TOML type that ``target`` is written in; contents are checked later."""
    origin = get_origin(target)
    if origin in (Union, types.UnionType):
        return any(_fits(arm, value) for arm in get_args(target))
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in get_args(target))
    if is_too_large(value):
        return False
    if origin is tuple:
        arms = get_args(target)
        return isinstance(value, list) and (arms[-1] is Ellipsis or len(arms) == len(value))
    if origin in (dict, Mapping) or (isinstance(target, type) and attrs.has(target)):
        return isinstance(value, dict)
    if target is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if target is FilePath:
        return isinstance(value, str)
    return type(value) is target


def _key(path: Path) -> str:
    """Return the last name of a path: ``lr`` for ``stages[1].lr``, ``stages[1]`` for a list entry."""
    if path and isinstance(path[-1], int):
        return f"{_key(path[:-1])}[{path[-1]}]"
    return str(path[-1]) if path else "the recipe"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return str(value).lower()
    if is_too_large(value):
        return "a number beyond 64 bits"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
