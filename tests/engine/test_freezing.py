"""What a stage freezes of a network of three convolutions, two with BatchNorm: names 0, 1, 3, 4 and 5."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.sources import stacked

from cellcls.api import changed
from cellcls.engine.freezing import freeze, frozen_by, set_mode
from cellcls.errors import RecipeError
from cellcls.recipe import Freeze, Recipe, Stage

SIZES = {"0": 4 * 3 + 4, "1": 8, "3": 4 * 4 + 4, "4": 8, "5": 4 * 4 + 4}
"""Parameters of each module: 72 together."""


@pytest.fixture
def recipe(make_job) -> Recipe:
    return make_job().recipe


def stage(recipe: Recipe, how: Any = "none", bn: str = "train") -> Stage:
    return changed(recipe.stages[0], freeze=how, bn=bn)


def test_the_hand_counted_sizes_are_right() -> None:
    network = stacked()
    assert network.depth("x").parameters == SIZES
    assert sum(SIZES.values()) == 72


@pytest.mark.parametrize(
    ("how", "frozen"),
    [
        ("none", ()),
        ("backbone", ("0", "1", "3", "4", "5")),
        (Freeze(until="3"), ("0", "1")),
        (Freeze(fraction=16 / 72), ("0",)),
        (Freeze(fraction=0.33), ("0",)),  # 24 of 72 would be a third
        (Freeze(fraction=0.34), ("0", "1")),
    ],
)
def test_the_frozen_part_gets_no_gradient_and_the_rest_does(recipe: Recipe, how: Any, frozen: tuple[str, ...]) -> None:
    network = stacked()
    assert freeze(network, recipe, stage(recipe, how)) == frozen
    network(torch.rand(2, 3, 4, 4)).square().sum().backward()
    for name, parameter in network.named_parameters():
        module = name.removeprefix("backbone.").rpartition(".")[0]
        assert (parameter.grad is None) == (name.startswith("backbone.") and module in frozen), name


def test_a_later_stage_thaws_what_an_earlier_one_froze(recipe: Recipe) -> None:
    network = stacked()
    freeze(network, recipe, stage(recipe, "backbone"))
    assert not any(one.requires_grad for one in network.backbone.parameters())
    assert all(one.requires_grad for one in network.head.parameters())
    freeze(network, recipe, stage(recipe, "none"))
    assert all(one.requires_grad for one in network.parameters())


def test_a_module_that_is_not_there_is_told(recipe: Recipe) -> None:
    with pytest.raises(RecipeError, match='`until = "conv_head"`: cnn5 has no module'):
        frozen_by(stacked(), recipe, stage(recipe, Freeze(until="conv_head")))


@pytest.mark.parametrize(
    ("how", "bn", "moving"),
    [
        ("none", "train", {"1", "4"}),
        ("none", "frozen", set()),
        (Freeze(until="3"), "train", {"4"}),
        (Freeze(until="4"), "train", {"4"}),
        ("backbone", "train", set()),
    ],
)
def test_batch_statistics_move_where_the_stage_trains(recipe: Recipe, how: Any, bn: str, moving: set[str]) -> None:
    network = stacked()
    settings = stage(recipe, how, bn)
    set_mode(network, settings, freeze(network, recipe, settings))
    network(torch.rand(8, 3, 4, 4))
    modules = dict(network.backbone.named_modules())
    assert {name for name in ("1", "4") if modules[name].running_mean.any()} == moving
    assert network.head.training
