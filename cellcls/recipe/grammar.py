"""Every key of a recipe with its type, range, default and help, as the rows of a table."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Union, get_args, get_origin

import attrs

from cellcls.recipe.dump import inline, to_data
from cellcls.recipe.model import File, Recipe
from cellcls.recipe.structure import Field, default_use, fields_of, is_kind, type_text

Row = dict[str, str]
"""``setting``, ``type``, ``range``, ``default`` and ``help``."""
NAME = "NAME"
"""Placeholder in a key for a name that the recipe chooses; ``[]`` is any entry of a list."""


def grammar() -> list[Row]:
    """Return a row for each key of a recipe file; of components, ``use`` and the settings that all of a kind share."""
    return list(_rows(File, ""))


def settings(cls: type[Any]) -> list[Row]:
    """Return a row for each setting of a component or section."""
    return [_row(name, field) for name, field in fields_of(cls).items()]


def _rows(cls: type[Any], prefix: str) -> Iterator[Row]:
    for name, field in fields_of(cls).items():
        place, target = f"{prefix}{name}", field.type
        if field.param.rest:  # its keys are those of the table that contains it
            place = prefix.removesuffix(".")
            while get_origin(target) is Mapping:
                place, target = f"{place}.{NAME}", get_args(target)[1]
        yield _row(place, field)
        yield from _below(target, place)


def _below(target: Any, place: str) -> Iterator[Row]:
    """Yield the rows of the keys inside a value of this type."""
    origin, arms = get_origin(target), get_args(target)
    if origin in (Union, types.UnionType):
        for arm in arms:
            yield from _below(arm, place)
    elif origin is tuple:
        yield from _below(arms[0], f"{place}[]")
    elif origin is Mapping:
        yield from _below(arms[1], f"{place}.{NAME}")
    elif is_kind(target):
        yield _use(target.kind, place)
        yield from _rows(target, f"{place}.")
    elif attrs.has(target) and not issubclass(target, Recipe):  # a variant has the same keys as the file
        yield from _rows(target, f"{place}.")


def _use(kind: str, place: str) -> Row:
    default = default_use(tuple(place.replace("[]", "").split(".")))
    about = f"Which {kind}; for its settings: cellcls describe {kind} {NAME}"
    shown = "required" if default is None else inline(default)
    return {"setting": f"{place}.use", "type": type_text(str), "range": "-", "default": shown, "help": about}


def _row(setting: str, field: Field) -> Row:
    return {
        "setting": setting,
        "type": type_text(field.type),
        "range": field.param.range_text() or "-",
        "default": "required" if field.required else _default(field),
        "help": field.param.help,
    }


def _default(field: Field) -> str:
    data = to_data(field.default) if field.default_data is None else field.default_data
    return "-" if data in (None, "") or field.param.rest else inline(data)
