"""Checks across the sections of a recipe, each of which is valid by itself."""

from __future__ import annotations

from collections.abc import Iterator

from cellcls.api import Callback, Schedule, WeightPlaces
from cellcls.errors import suggestion
from cellcls.ops.classes import PARTS
from cellcls.ops.statistics.table import METRICS
from cellcls.ops.storage.paths import FILE_NAME, is_file_name
from cellcls.recipe.dump import differences
from cellcls.recipe.model import Recipe
from cellcls.recipe.problems import Problem
from cellcls.recipe.scan import Path

TRAIN_METRICS = ("loss", "accuracy")


def check(recipe: Recipe, *, rehearse: bool) -> Iterator[Problem]:
    """Yield the problems across sections."""
    if not rehearse:
        yield from _frozen(recipe)
    yield from _names(recipe)
    yield from _watched(recipe)
    yield from _compared(recipe)
    yield from _claimed(recipe)
    yield from _fitted(recipe)
    if recipe.split.val + recipe.split.test >= 1:
        message = "`val` and `test` together leave nothing to train on: their sum must be below 1"
        yield Problem(("split",), message, "the default of each is 0.1")


def _names(recipe: Recipe) -> Iterator[Problem]:
    if not is_file_name(recipe.name):
        yield Problem(("name",), f"`name` becomes a folder: {FILE_NAME}, not `{recipe.name}`", 'write name = "NAME"')
    if not recipe.stages:
        yield Problem(
            ("stages",), "`stages` must have at least one stage", "without `stages`, there is one stage of 10 epochs"
        )
    for section, names in _named(recipe).items():
        for number, name in enumerate(names):
            path = (section, number, "name")
            if name in names[:number]:
                yield Problem(path, f"two of `{section}` are called `{name}`", "give each its own `name`")
            elif not is_file_name(name):
                yield Problem(path, f"`name` becomes a file: {FILE_NAME}, not `{name}`")
            elif section == "evaluate" and "." in name:
                instead = f'name = "{name.replace(".", "_")}"'
                yield Problem(
                    path, f"an evaluation's name must not have a dot: its metrics are `{name}.accuracy`", instead
                )


def _named(recipe: Recipe) -> dict[str, list[str]]:
    return {
        "stages": [recipe.stage_name(number) for number in range(len(recipe.stages))],
        "evaluate": [evaluation.name for evaluation in recipe.evaluate],
        "explain": [explainer.name or explainer.component_name for explainer in recipe.explain],
    }


def _frozen(recipe: Recipe) -> Iterator[Problem]:
    """Yield stages that freeze a backbone with random weights."""
    if recipe.init.from_ is not None or recipe.backbone.wants(WeightPlaces()) is not None:
        return
    trained = recipe.backbone.starting(pretrained=True)
    settings = differences(recipe.backbone, trained) if trained is not None else {}
    changes = " and ".join(f"set backbone.{name} = {value}" for name, value in settings.items())
    start = changes or "take a backbone with pretrained weights"
    for number, stage in enumerate(recipe.stages):
        if stage.freeze == "none":
            return
        yield Problem(
            ("stages", number, "freeze"),
            f"stage `{recipe.stage_name(number)}` freezes a backbone with random weights, so it cannot learn",
            f'{start}, or say [init] from, or train it in an earlier stage, or say freeze = "none"',
        )


def _watched(recipe: Recipe) -> Iterator[Problem]:
    """Yield watched metrics that are not measured at every epoch, or that are measured on the test part."""
    parts = {
        name: recipe.evaluation(name).part_name
        for name in (*PARTS, *(evaluation.name for evaluation in recipe.evaluate))
    }
    for path, metric in _watching(recipe):
        select = path == ("train", "select")
        evaluation = metric.partition(".")[0]
        known = {
            f"{name}.{metric_name}": part
            for name, part in parts.items()
            for metric_name in (TRAIN_METRICS if name == "train" else METRICS)
        }
        offered = [name for name, part in known.items() if part == "val" or (part == "train" and not select)]
        hint = f"{suggestion(metric, offered)}available: {', '.join(offered)}"
        if metric not in known:
            yield Problem(path, f"`{metric}` is not a metric of this recipe", hint)
        elif metric not in offered:
            on = "" if evaluation == known[metric] else f", which is measured on the part `{known[metric]}`"
            yield Problem(path, f"`{path[-1]}` must not use `{evaluation}`{on}", hint)


def _watching(recipe: Recipe) -> Iterator[tuple[Path, str]]:
    """Yield each watched metric with its path."""
    watching: list[tuple[Path, Schedule | Callback]] = [
        (("stages", number, "schedule"), stage.schedule) for number, stage in enumerate(recipe.stages)
    ]
    watching += [(("callbacks", number), callback) for number, callback in enumerate(recipe.callbacks)]
    yield ("train", "select"), recipe.train.select
    for path, watcher in watching:
        yield from (((*path, field), getattr(watcher, field)) for field in watcher.watches)


def _compared(recipe: Recipe) -> Iterator[Problem]:
    """Yield compared stages that do not exist."""
    stages = _named(recipe)["stages"]
    for number, explainer in enumerate(recipe.explain):
        for place, stage in enumerate(explainer.compare or ()):
            if stage not in stages:
                hint = f"{suggestion(stage, stages)}available: {', '.join(stages)}"
                yield Problem(("explain", number, "compare", place), f"no stage is called `{stage}`", hint)


def _fitted(recipe: Recipe) -> Iterator[Problem]:
    """Yield evaluations that do not exist, or are of training or test images, where something is fitted."""
    parts = {"val": "val"} | {evaluation.name: evaluation.part_name for evaluation in recipe.evaluate}
    offered = [name for name, part in parts.items() if part == "val"]
    if recipe.prediction.unknown and not recipe.prediction.known:
        yield Problem(("prediction", "known"), "`unknown` needs an evaluation in `known`", 'the default is ["val"]')
    named: list[tuple[Path, str]] = [
        (("prediction", "known", number), name) for number, name in enumerate(recipe.prediction.known)
    ]
    if recipe.prediction.temperature is not None:
        named.append((("prediction", "temperature"), recipe.prediction.temperature))
    for path, name in named:
        hint = f"{suggestion(name, offered)}available: {', '.join(offered)}"
        if name not in parts:
            yield Problem(path, f"no evaluation is called `{name}`", hint)
        elif name not in offered:
            yield Problem(
                path, f"`{path[1]}` must not use `{name}`, which is measured on the part `{parts[name]}`", hint
            )


def _claimed(recipe: Recipe) -> Iterator[Problem]:
    """Yield claimed metrics that the run does not measure; those of explanations are not checked."""
    named = _named(recipe)
    known = dict.fromkeys(named["evaluate"], METRICS) | {"train_running": TRAIN_METRICS}
    for name, metrics in recipe.claim.bands.items() if recipe.claim else ():
        if name in named["explain"]:
            continue
        if name not in known:
            places = [*known, *named["explain"]]
            hint = f"{suggestion(name, places)}available: {', '.join(places)}"
            if name in PARTS:
                hint = f'add an [[evaluate]] with name = "{name}"'
            yield Problem(("claim", name), f"the recipe claims a metric of `{name}`, which it does not measure", hint)
            continue
        for metric in metrics:
            if metric not in known[name]:
                hint = f"{suggestion(metric, known[name])}available: {', '.join(known[name])}"
                yield Problem(("claim", name, metric), f"`{name}` has no metric `{metric}`", hint, value=False)
