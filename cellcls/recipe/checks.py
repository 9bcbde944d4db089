"""What must fit together in a recipe although each section is right by itself."""

from __future__ import annotations

from collections.abc import Iterator

from cellcls.api import Callback, Schedule, WeightPlaces
from cellcls.recipe.model import METRICS, PARTS, Recipe
from cellcls.recipe.problems import Problem, suggestion
from cellcls.recipe.scan import Path

TRAIN_METRICS = ("loss", "accuracy")


def check(recipe: Recipe, *, rehearse: bool) -> Iterator[Problem]:
    """Yield what does not fit together."""
    if not rehearse:
        yield from _frozen(recipe)
    yield from _names(recipe)
    yield from _watched(recipe)
    if recipe.split.val + recipe.split.test >= 1:
        yield Problem(("split",), "`val` and `test` together leave nothing to train on: their sum must be below 1")


def _names(recipe: Recipe) -> Iterator[Problem]:
    if not recipe.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        yield Problem(("name",), f"`name` becomes a folder: letters, digits, - _ . only, not `{recipe.name}`")
    if not recipe.stages:
        yield Problem(("stages",), "`stages` must have at least one stage")
    stages = [recipe.stage_name(number) for number in range(len(recipe.stages))]
    evaluations = [one.name for one in recipe.evaluate]
    for section, names in (("stages", stages), ("evaluate", evaluations)):
        for number, name in enumerate(names):
            if name in names[:number]:
                yield Problem((section, number, "name"), f"two of `{section}` are called `{name}`")


def _frozen(recipe: Recipe) -> Iterator[Problem]:
    """A backbone that knows nothing must not be frozen."""
    if recipe.backbone.wants(WeightPlaces()) is not None:
        return
    for number, stage in enumerate(recipe.stages):
        if stage.freeze == "none":
            return
        yield Problem(
            ("stages", number, "freeze"),
            f"stage `{recipe.stage_name(number)}` freezes a backbone with random weights, which can learn nothing",
            'set backbone.pretrained = true, or train it in an earlier stage, or say freeze = "none"',
        )


def _watched(recipe: Recipe) -> Iterator[Problem]:
    """A watched metric must be one that an epoch measures."""
    watching: list[tuple[Path, Schedule | Callback]] = [
        (("stages", number, "schedule"), stage.schedule) for number, stage in enumerate(recipe.stages)
    ]
    watching += [(("callbacks", number), callback) for number, callback in enumerate(recipe.callbacks)]
    places: list[tuple[Path, str]] = [(("train", "select"), recipe.train.select)]
    for path, one in watching:
        places += [((*path, field), getattr(one, field)) for field in one.watches]
    known = {one.name for one in recipe.evaluate} | set(PARTS)
    for path, metric in places:
        evaluation, _, figure = metric.partition(".")
        allowed = TRAIN_METRICS if evaluation == "train" else METRICS
        names = [f"{one}.{other}" for one in sorted(known) for other in (TRAIN_METRICS if one == "train" else METRICS)]
        if evaluation not in known or figure not in allowed:
            yield Problem(
                path,
                f"`{metric}` is no figure of this recipe",
                f"{suggestion(metric, names)}say EVALUATION.METRIC with one of {', '.join(sorted(known))} "
                f"and one of {', '.join(allowed)}",
            )
        elif path == ("train", "select") and evaluation in ("train", "test"):
            yield Problem(path, f"`select` must not look at `{evaluation}`", "select by val, or by an evaluation of it")
