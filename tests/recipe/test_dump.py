from __future__ import annotations

import pytest

from cellcls.api import Cleaner, Component, Dataset, component, param
from cellcls.recipe import differences, flat


@component("set")
class Set(Dataset):
    """A data set for these tests."""

    skip: bool = param(default=False, help="A setting.")
    names: tuple[str, ...] | None = param(default=None, help="Another one.")


@component("against")
class Against(Cleaner):
    """A cleaner that holds a data set."""

    other: Dataset = param(help="The data set.")


def test_data_are_named_as_set_names_them() -> None:
    data = {"name": "x", "stages": [{"optimizer": {"lr": 0.1}}, {"epochs": 2}], "sizes": [1, 2], "none": []}
    assert flat(data) == {
        "name": "x",
        "stages.0.optimizer.lr": 0.1,
        "stages.1.epochs": 2,
        "sizes": [1, 2],
        "none": [],
    }


@pytest.mark.parametrize(
    ("before", "after", "settings"),
    [
        (Set(), Set(), {}),
        (Set(), Set(skip=True), {"skip": "true"}),
        (Set(), Set(names=("a", "b")), {"names": '["a", "b"]'}),
        (Against(other=Set()), Against(other=Set(skip=True)), {"other.skip": "true"}),
    ],
)
def test_what_two_components_differ_in(before: Component, after: Component, settings: dict[str, str]) -> None:
    assert differences(before, after) == settings
