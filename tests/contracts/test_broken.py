"""The checks can fail: a broken component of every kind is told by the check that is meant for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cellcls.api import (
    KINDS,
    Augmentation,
    Backbone,
    Batch,
    Callback,
    Cleaner,
    Colour,
    Component,
    Corruption,
    Dataset,
    Decision,
    Explainer,
    Features,
    Head,
    Input,
    Launcher,
    Loss,
    Mix,
    Optimizer,
    Schedule,
    Search,
    Source,
    component,
    param,
)
from cellcls.testing import ComponentTests, example_source


@component("broken")
class WrongOrder(Dataset):
    """Gives images in its own order."""

    def build(self, *, path: Any, input: Input, cache: Path) -> Source:
        class Sorted(Source):
            labels, class_names = example_source().labels, example_source().class_names

            def read(self, indices: Any) -> Any:
                return example_source().read(np.sort(indices))

        return Sorted()


@component("broken")
class WrongHash(Cleaner):
    """Names the hash of another image."""

    def build(self, *, source: Any, groups: Any, kept: Any) -> list[Decision]:
        return [Decision(index=0, hash=groups.hashes[-1], rule="broken", reason="none")]


@component("broken")
class Careless(Cleaner):
    """Changes what belongs to the engine."""

    def build(self, *, source: Any, groups: Any, kept: Any) -> list[Decision]:
        kept[:] = False
        return []


def fill(images: Any, targets: Any, draws: Any) -> Any:
    return images.fill_(0.5), targets * 2


@component("broken")
class Doubling(Augmentation):
    """Doubles the targets."""

    def build(self, *, size: int) -> Batch:
        return Batch(draws=0, apply=fill)


@component("broken")
class OwnDice(Augmentation):
    """Draws from a generator that nobody seeded."""

    def build(self, *, size: int) -> Colour:
        dice = np.random.default_rng()
        eye = torch.eye(3, 4)
        return Colour(draws=0, matrix=lambda draws: (eye * float(dice.random())).expand(len(draws), 3, 4))


@component("broken")
class WrongMatrix(Augmentation):
    """Gives matrices of the wrong shape."""

    def build(self, *, size: int) -> Colour:
        return Colour(draws=0, matrix=lambda draws: torch.eye(3).expand(len(draws), 3, 3))


@component("broken")
class Neighbourly(Augmentation):
    """Gives each sample a share of the target of the next one in its batch, not of its partner."""

    def build(self, *, size: int) -> Mix:
        def mix(images: Tensor, _partners: Tensor, targets: Tensor, _theirs: Tensor, _draws: Tensor) -> Any:
            return images, (targets + targets.roll(1, 0)) / 2

        return Mix(draws=0, apply=mix)


@component("broken")
class AtItsEnd(Augmentation):
    """Fails with an inner error at one end of its range."""

    strength: float = param(default=0.5, ge=0, le=1, help="How strong it is.")

    def build(self, *, size: int) -> Colour:
        scale = 1 / self.strength
        return Colour(draws=0, matrix=lambda draws: (torch.eye(3, 4) * min(scale, 1)).expand(len(draws), 3, 4))


@component("broken")
class AtItsEndInUse(Augmentation):
    """Works at one end of its range until it is used."""

    strength: float = param(default=0.5, ge=0, le=1, help="How strong it is.")

    def build(self, *, size: int) -> Colour:
        def matrix(draws: Any) -> Any:
            if not self.strength:
                raise ValueError("cannot reshape array of size 3")
            return torch.eye(3, 4).expand(len(draws), 3, 4)

        return Colour(draws=0, matrix=matrix)


@component("broken")
class Harmless(Corruption):
    """Changes nothing."""

    def build(self, *, severity: int, size: int) -> Batch:
        return Batch(draws=0, apply=lambda images, targets, draws: (images, targets))


@component("broken")
class WrongChannels(Backbone):
    """States other channels than it has."""

    def build(self, *, size: int, weights: Any) -> Features:
        module = nn.Sequential(nn.Conv2d(3, 4, 3))
        grey = (0.5, 0.5, 0.5)
        return Features(module=module, channels=5, mean=grey, std=grey, weighted=("0",), layers=("0",))


@component("broken")
class Hidden(Backbone):
    """Leaves a module with weights out of `weighted`."""

    def build(self, *, size: int, weights: Any) -> Features:
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        grey = (0.5, 0.5, 0.5)
        return Features(module=module, channels=4, mean=grey, std=grey, weighted=("0",), layers=("0",))


@component("broken")
class Backwards(Backbone):
    """States its layers from deep to shallow."""

    def build(self, *, size: int, weights: Any) -> Features:
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        grey = (0.5, 0.5, 0.5)
        return Features(module=module, channels=4, mean=grey, std=grey, weighted=("0",), layers=("1", "0"))


@component("broken")
class OneClassMore(Head):
    """Has a logit too many."""

    def build(self, *, channels: int, size: Any, num_classes: int) -> nn.Module:
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes + 1))


class Detached(nn.Module):
    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(channels, channels), nn.Linear(channels, num_classes)

    def forward(self, features: Any) -> Any:
        return self.last(self.first(features.mean((2, 3))).detach())


@component("broken")
class NotTrained(Head):
    """Cuts the gradient off."""

    def build(self, *, channels: int, size: Any, num_classes: int) -> nn.Module:
        return Detached(channels, num_classes)


@component("broken")
class Meaned(Loss):
    """Takes the mean itself."""

    def build(self, *, class_weights: Any) -> Any:
        return cross_entropy


@component("broken")
class Uphill(Loss):
    """Falls where it should rise."""

    def build(self, *, class_weights: Any) -> Any:
        return lambda logits, targets: cross_entropy(logits, targets, reduction="none").detach() + 0 * logits.sum(1)


@component("broken")
class Climbing(Optimizer):
    """Goes uphill."""

    def build(self, *, parameters: Any) -> Any:
        return torch.optim.SGD(parameters, lr=self.lr, maximize=True)


class Forgetful(torch.optim.SGD):
    def load_state_dict(self, state_dict: Any) -> None:
        """Forget it."""


@component("broken")
class Amnesiac(Optimizer):
    """Does not take up its state."""

    def build(self, *, parameters: Any) -> Any:
        return Forgetful(parameters, lr=self.lr, momentum=0.9)


@component("broken")
class Counting(Schedule):
    """Counts how often it was asked."""

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, Any], float]:
        asked: list[int] = []

        def factor(step: int, history: Any) -> float:
            asked.append(step)
            return 1 / len(asked)

        return factor


@component("broken")
class Watching(Callback):
    """Watches a setting that it does not have."""

    watches = ("watch",)


@component("broken")
class Meddling(Callback):
    """Ends a stage by what it keeps in memory, which a resumed run has not."""

    def epoch_ended(self, event: Any, run: Any) -> None:
        MEDDLED.append(event)
        run.end_stage(f"after {len(MEDDLED)} epochs, of which this process knows")


MEDDLED: list[Any] = []


@component("broken")
class Negative(Explainer):
    """Gives heat below 0."""

    def build(self, *, network: Any, layer: Any, grid: Any) -> Any:
        return lambda images, classes: -torch.ones(len(images), 4, 4)


@component("broken")
class Training(Explainer):
    """Leaves the network in another mode."""

    def build(self, *, network: Any, layer: Any, grid: Any) -> Any:
        return lambda images, classes: network.eval()(images)[:, :4, None].abs().detach()


@component("broken")
class Outside(Search):
    """Goes beyond the space."""

    def build(self, *, seed: int) -> Any:
        return lambda number, finished: dict.fromkeys(self.space, 1e9)


@component("broken")
class Dropping(Launcher):
    """Answers for the first run only."""

    def build(self) -> Any:
        return lambda runs: iter([(runs[0], 66)])


@component("broken")
class Undescribed(Head):
    size: int = param(default=1, ge=1, help="")

    def build(self, *, channels: int, size: Any, num_classes: int, colour: str) -> nn.Module:
        raise NotImplementedError


@attrs.frozen
class Broken:
    cls: type[Component]
    test: str
    said: str


TWICE = "test_it_works_the_same_twice"
BROKEN = [
    Broken(WrongOrder, TWICE, "order of the indices"),
    Broken(WrongHash, TWICE, "belongs to another image"),
    Broken(Careless, TWICE, "changed `kept`"),
    Broken(Doubling, TWICE, "soft targets do not sum to 1"),
    Broken(OwnDice, TWICE, "the same seed gives a different result"),
    Broken(WrongMatrix, TWICE, "its matrices are not"),
    Broken(Neighbourly, TWICE, "the targets of an image depend on its batch"),
    Broken(AtItsEnd, "test_it_survives_its_extremes", r"with strength = 0.0: ZeroDivisionError"),
    Broken(AtItsEndInUse, "test_it_survives_its_extremes", r"with strength = 0.0: ValueError: cannot reshape"),
    Broken(Harmless, TWICE, "severity 5 changes nothing"),
    Broken(WrongChannels, TWICE, "`channels` does not match the output"),
    Broken(Hidden, TWICE, "`weighted` leaves out parameters"),
    Broken(Backwards, TWICE, "`layers` are not in order from shallow to deep"),
    Broken(OneClassMore, TWICE, "gives"),
    Broken(NotTrained, "test_it_trains", "no gradient reaches first"),
    Broken(Meaned, TWICE, "not one value per sample"),
    Broken(Uphill, "test_it_trains", "gradient is 0 everywhere"),
    Broken(Climbing, "test_it_trains", "did not reduce"),
    Broken(Amnesiac, TWICE, "differently from its own state_dict"),
    Broken(Counting, TWICE, "depends on earlier calls"),
    Broken(Watching, TWICE, "`watches` names `watch`"),
    Broken(Meddling, "test_it_resumes", "the runs differ in"),
    Broken(Negative, TWICE, "negative values"),
    Broken(Training, TWICE, "changed the mode of the network"),
    Broken(Outside, TWICE, "outside the search space"),
    Broken(Dropping, TWICE, "does not report on every run"),
    Broken(Undescribed, "test_it_is_described", "has no docstring"),
    Broken(Undescribed, "test_it_builds_with_what_its_kind_supplies", "requires {'colour'}"),
    Broken(WrongOrder, "test_its_module_imports_nothing_heavy", "imports .*torch"),
]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: f"{one.cls.kind}-{one.cls.__name__}-{one.test}")
def test_a_broken_component_is_told(broken: Broken, tmp_path: Path) -> None:
    test = getattr(ComponentTests(), broken.test)
    given = {"cls": broken.cls, "tmp_path": tmp_path}
    with pytest.raises(AssertionError, match=broken.said):
        test(**{name: given[name] for name in inspect.signature(test).parameters})


@component("refusing")
class Refusing(Augmentation):
    """Refuses, in words, one end of its range on being built."""

    strength: float = param(default=0.5, ge=0, le=1, help="How strong it is.")

    def build(self, *, size: int) -> Colour:
        if not self.strength:
            raise ValueError("`strength` 0 changes nothing: leave the augmentation out")
        return Colour(draws=0, matrix=lambda draws: torch.eye(3, 4).expand(len(draws), 3, 4))


def test_a_refusal_on_being_built_is_none(tmp_path: Path) -> None:
    ComponentTests().test_it_survives_its_extremes(Refusing, tmp_path)


def test_a_kind_without_a_step_of_training_is_skipped_visibly(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="the kind dataset"):
        ComponentTests().test_it_trains(WrongOrder, tmp_path)


def test_what_one_check_does_to_the_example_set_no_other_sees() -> None:
    source, labels = example_source(), example_source().labels.copy()
    source.labels[:] = 7
    source.read(np.arange(len(source)))[:] = 0
    assert np.array_equal(example_source().labels, labels)
    assert example_source().read(np.arange(2)).any()
    with pytest.raises(ValueError, match="read-only"):
        source.images[0] = 0  # type: ignore[attr-defined]


def test_every_kind_is_there() -> None:
    assert {broken.cls.kind for broken in BROKEN} == {*KINDS}


def test_every_check_can_fail() -> None:
    assert {broken.test for broken in BROKEN} == {name for name in vars(ComponentTests) if name.startswith("test_")} - {
        "test_a_recipe_gives_it_back"  # attrs and the structurer leave a component no way to break it here
    }
