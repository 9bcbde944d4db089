"""Components and their settings, as a plugin's author meets them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import Head, changed, component, param, settings


@component("pool")
class Pool(Head):
    """A head for these tests."""

    power: float = param(ge=1, lt=10, help="How sharp.")
    widths: tuple[int, ...] = param(default=(1, 2), gt=0, help="How wide.")
    free: str = param(default="x", help="No range.")


def test_a_component_has_a_name_a_kind_and_no_place_in_a_registry() -> None:
    assert (Pool.component_name, Pool.kind) == ("pool", "head")
    assert "component_name" not in vars(Head)


def test_settings_are_by_keyword_required_and_frozen() -> None:
    with pytest.raises(TypeError):
        Pool()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Pool(3.0)  # type: ignore[call-arg,misc]
    made = Pool(power=3.0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.power = 4.0  # type: ignore[misc]
    assert settings(made) == {"power": 3.0, "widths": (1, 2), "free": "x"}
    assert made == Pool(power=3.0)
    assert hash(made) == hash(Pool(power=3.0))


@given(st.floats(allow_nan=True))
def test_a_range_holds_for_a_number(power: float) -> None:
    if 1 <= power < 10:
        assert Pool(power=power).power == power
        assert changed(Pool(power=2.0), power=power) == Pool(power=power)
    else:
        with pytest.raises(ValueError, match="`power` must be at least 1 and less than 10, not "):
            Pool(power=power)
        with pytest.raises(ValueError, match="`power` must be"):
            changed(Pool(power=2.0), power=power)


@given(st.lists(st.integers(-2, 3), max_size=4).map(tuple))
def test_a_range_holds_for_each_number_of_a_tuple(widths: tuple[int, ...]) -> None:
    if all(width > 0 for width in widths):
        assert Pool(power=1, widths=widths).widths == widths
    else:
        with pytest.raises(ValueError, match="`widths` must be greater than 0, not "):
            Pool(power=1, widths=widths)


def test_a_change_leaves_the_original() -> None:
    before = Pool(power=2.0)
    assert changed(before, free="y") == Pool(power=2.0, free="y")
    assert before == Pool(power=2.0)
    with pytest.raises(TypeError):
        changed(before, nothing=1)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({}, ""),
        ({"ge": 0, "lt": 1}, "at least 0 and less than 1"),
        ({"gt": 0.5, "le": 100_000}, "greater than 0.5 and at most 100000"),
        ({"lt": 2**63}, "less than 9,223,372,036,854,775,808"),
    ],
)
def test_a_range_is_said_in_words(bounds: dict[str, float], text: str) -> None:
    declared = param(help="x", default=0, **bounds)
    assert declared.metadata["param"].range_text() == text
