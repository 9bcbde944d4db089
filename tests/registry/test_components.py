"""What holds for every registered component, the installed plugins' too."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import attrs
import pytest

from cellcls.api import KINDS, Component
from cellcls.recipe import fields_of, type_text
from cellcls.registry import load_registry

REGISTRY = load_registry()
COMPONENTS = list(REGISTRY)
PLAIN = (bool, int, float, str, Path, type(None))


def test_every_plugin_here_loads_and_every_kind_is_offered() -> None:
    assert [one.failure for one in REGISTRY.plugins if one.failure] == []
    assert len(COMPONENTS) > 40
    assert all(REGISTRY.names(kind) for kind in KINDS)
    assert REGISTRY.distributions()["cellcls"]


def is_permitted(target: Any) -> bool:
    """Tell whether a setting's type is one that a recipe can say."""
    if inspect.isclass(target) and issubclass(target, Component):
        return True  # a table with a `use` of its own
    if get_origin(target) is Literal or target in PLAIN or target is Ellipsis:
        return True
    if get_origin(target) is Mapping:
        key, value = get_args(target)
        if attrs.has(value):
            return key is str and all(is_permitted(field.type) for field in fields_of(value).values())
        return key is str and is_permitted(value)
    return bool(get_args(target)) and all(map(is_permitted, get_args(target)))


@pytest.mark.parametrize("cls", COMPONENTS, ids=lambda cls: f"{cls.kind}-{cls.component_name}")
class TestComponent:
    def test_it_is_described(self, cls: type[Component]) -> None:
        assert "__doc__" in vars(cls)
        assert len((inspect.getdoc(cls) or "").split()) >= 3
        for name, field in fields_of(cls).items():
            assert field.param.help.endswith(tuple(".)]:")) or len(field.param.help) > 10, name
            assert field.param.help, name

    def test_its_names_are_snake_case(self, cls: type[Component]) -> None:
        for name in (cls.component_name, *fields_of(cls)):
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        assert "use" not in fields_of(cls)

    def test_its_settings_are_what_a_recipe_can_say(self, cls: type[Component]) -> None:
        for name, field in fields_of(cls).items():
            assert is_permitted(field.type), name
            assert (
                "table" not in type_text(field.type) or get_origin(field.type) is Mapping or inspect.isclass(field.type)
            )

    def test_its_defaults_lie_in_their_ranges(self, cls: type[Component]) -> None:
        for name, field in fields_of(cls).items():
            if not field.required:
                assert field.param.problem(field.default) is None, name

    def test_it_builds_with_what_its_kind_supplies(self, cls: type[Component]) -> None:
        kind: Any = KINDS[cls.kind]
        if hasattr(kind, "build"):
            assert getattr(cls, "build") is not kind.build  # noqa: B009
            supplied = set(inspect.signature(kind.build).parameters)
            wanted = inspect.signature(getattr(cls, "build")).parameters  # noqa: B009
            assert {name for name, one in wanted.items() if one.default is one.empty} <= supplied
            assert supplied <= set(wanted)

    def test_it_is_frozen(self, cls: type[Component]) -> None:
        required: dict[str, Any] = {name: _any(field.type) for name, field in fields_of(cls).items() if field.required}
        made = cls(**required)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            made.component_name = "another"  # type: ignore[misc]
        assert made == cls(**required)


def _any(target: Any) -> Any:
    if inspect.isclass(target) and issubclass(target, Component):
        return object()
    return () if get_origin(target) is tuple else {float: 0.5, int: 1, str: "x", Path: Path("x")}[target]
