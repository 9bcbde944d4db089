"""The files that components name.

A setting of type ``Path`` of a data set or cleaner is a file or folder that is there before the run: the engine finds
it beside the recipe or in a data folder, whatever the setting is called, and the run goes on where it has moved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import attrs

from cellcls.api.component import Component, changed

C = TypeVar("C", bound=Component)


def files(component: Component) -> list[tuple[str, Path]]:
    """Return the files and folders that a component names: the dotted name of each setting, and its value.

    Those are the settings of type ``Path``, alone or in a tuple or mapping, and those of components among the settings
    (``against.file``).
    """
    return [
        found
        for field in attrs.fields(type(component))
        for found in _files(field.name.rstrip("_"), getattr(component, field.name))
    ]


def _files(name: str, value: Any) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield name, value
    elif isinstance(value, Component):
        yield from ((f"{name}.{inner}", file) for inner, file in files(value))
    elif isinstance(value, Mapping):
        yield from (found for key, item in value.items() for found in _files(f"{name}.{key}", item))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):  # as in a recipe: a list of texts is one setting, a table has its number
            yield from _files(name if isinstance(item, Path) else f"{name}.{number}", item)


def with_files(component: C, find: Callable[[Component, Path], Path]) -> C:
    """Return a component with each of its ``files`` replaced by what ``find`` returns for the component that has the
    setting, and its value."""

    def replaced(value: Any) -> Any:
        if isinstance(value, Path):
            return find(component, value)
        if isinstance(value, Component):
            return with_files(value, find)
        if isinstance(value, Mapping):
            return {key: replaced(item) for key, item in value.items()}
        return tuple(map(replaced, value)) if isinstance(value, tuple) else value

    return changed(
        component, **{field.name: replaced(getattr(component, field.name)) for field in attrs.fields(type(component))}
    )


def file_setting(cls: type[Component]) -> str | None:
    """Return the name of a component's first setting of type ``Path`` or ``Path | None``; None if it has none."""
    types = get_type_hints(cls)
    return next((field.name for field in attrs.fields(cls) if types[field.name] in (Path, Path | None)), None)
