"""Defaults and sections follow from the fields of the recipe's classes."""

from __future__ import annotations

import pytest

from cellcls.recipe.model import Freeze, Stage
from cellcls.recipe.scan import Path
from cellcls.recipe.structure import default_use, section_at


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (("loss",), "cross_entropy"),
        (("stages", 0, "optimizer"), "adamw"),
        (("stages", "schedule"), "constant"),  # as the grammar lists it, without a position
        (("mix", "loss"), None),
        (("train", "loss"), None),
        (("stages", 0, "loss"), None),
        (("backbone", "head"), None),
        (("stages", 0, "freeze", "optimizer"), None),
        ((0,), None),
        ((), None),
    ],
)
def test_the_default_of_a_use_is_the_one_at_this_place_only(path: Path, name: str | None) -> None:
    assert default_use(path) == name


@pytest.mark.parametrize(
    ("path", "cls"),
    [
        (("stages", 0), Stage),
        (("stages", 1, "freeze"), Freeze),
        (("freeze",), None),
        (("backbone",), None),
        (("backbone", "freeze"), None),
    ],
)
def test_sections_are_found_by_their_place(path: Path, cls: type | None) -> None:
    assert section_at(path) is cls
