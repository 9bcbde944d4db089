"""The names a plugin may rely on: a change of ``surface.json`` is a change of the contract."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import Any

import attrs

import cellcls.api as api
from cellcls.api import KINDS, Callback, events

SURFACE = Path(__file__).with_name("surface.json")


def surface() -> dict[str, Any]:
    """Return every public name with what it takes."""
    names = {name: _shape(getattr(api, name)) for name in sorted(api.__all__)}
    return {
        "cellcls.api": names,
        "kinds": {kind: {"class": cls.__name__, **_fields(cls), **_methods(cls)} for kind, cls in KINDS.items()},
        "events": {cls.__name__: [field.name for field in attrs.fields(cls)] for cls in _events()},
    }


def _shape(value: Any) -> Any:
    if inspect.isclass(value):
        return "class"
    if inspect.isfunction(value):
        return list(inspect.signature(value).parameters)
    return type(value).__name__


def _fields(cls: type[Any]) -> dict[str, Any]:
    return {"settings": [field.name for field in attrs.fields(cls)]}


def _methods(cls: type[Any]) -> dict[str, Any]:
    found = inspect.getmembers(cls, lambda one: inspect.isfunction(one) or inspect.ismethod(one))
    return {name: list(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")}


def _events() -> tuple[type[Any], ...]:
    members: tuple[type[Any], ...] = events.Event.__args__
    return members


def test_the_surface_is_what_was_agreed() -> None:
    if os.environ.get("REGENERATE"):
        SURFACE.write_text(json.dumps(surface(), indent=1) + "\n")
    assert surface() == json.loads(SURFACE.read_text())


def test_all_is_all_and_sorted() -> None:
    public = {name for name, value in vars(api).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert (public | {"events", "Groups"}) - {"Any", "TYPE_CHECKING"} == set(api.__all__)
    assert len(set(api.__all__)) == len(api.__all__)


def test_a_callback_has_one_method_an_event() -> None:
    def snake(name: str) -> str:
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")

    methods = {name for name, value in vars(Callback).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert methods == {snake(cls.__name__) for cls in _events()}
    for name in methods:
        assert list(inspect.signature(getattr(Callback, name)).parameters) == ["self", "event", "run"]
