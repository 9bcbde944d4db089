"""What can be told from the numbers of a recipe and its data before anything is trained: training that cannot work is
refused, training that would come to less than it seems is warned of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from cellcls.api import Callback, Schedule, StageHistory, settings
from cellcls.engine.batches import smallest_part, steps_per_epoch
from cellcls.engine.class_weights import class_weights
from cellcls.engine.data import Data
from cellcls.engine.device import Machine
from cellcls.engine.freezing import needing_two
from cellcls.engine.measure import conditions_of
from cellcls.engine.network import Network
from cellcls.errors import DataError, RecipeError
from cellcls.ops.classes import PARTS
from cellcls.recipe import Recipe
from cellcls.registry import Registry

_LISTED = 8
"""So many classes are named in a warning."""
_KEPT = 0.5
"""Share of the start that an average may hold at the end."""
_LOOKS = 256
"""At so many steps a schedule is looked at."""


def foresee(
    recipe: Recipe, data: Data, network: Network, count: int, machine: Machine, *, rehearse: bool
) -> tuple[str, ...]:
    """Return what to warn of in a run whose epochs have ``count`` samples.

    Raises ``DataError`` and ``RecipeError`` for what cannot work.
    """
    _refuse_empty(recipe, data)
    _refuse_lone_images(recipe, network, count, machine.processes)
    weights = class_weights(recipe, data)
    if rehearse:  # other data, and a step a stage: the numbers are not those of the run
        return ()
    steps = steps_per_epoch(count, recipe.train.batch_size)
    return (
        *_untaught(data),
        *_unmeasured(recipe, data),
        *(() if weights is None else _weightless(data, weights)),
        *_average(recipe, steps),
        *_rising(recipe, steps),
        *_too_patient(recipe),
    )


def refuse_unbuildable(recipe: Recipe, registry: Registry) -> None:
    """Raise ``RecipeError`` for an augmentation or a corruption that does not exist or does not fit the input."""
    for entry in recipe.augment:
        entry.build(size=recipe.input.size)
    for evaluation in recipe.evaluate:
        list(conditions_of(evaluation, recipe.input.size, registry))


def _refuse_empty(recipe: Recipe, data: Data) -> None:
    """Raise ``DataError`` where a part that is watched has no images."""
    for metric in recipe.watched():
        name = metric.partition(".")[0]
        if name != "train" and not len(data.parts[recipe.evaluation(name).part_name]):
            raise DataError(
                f"the recipe watches `{metric}` at every epoch, and the part "
                f"`{recipe.evaluation(name).part_name}` has no images"
            )


def _refuse_lone_images(recipe: Recipe, network: Network, count: int, processes: int) -> None:
    """Refuse what leaves no two images to compute at a time where BatchNorm needs them. Raises ``RecipeError``."""
    size, accumulate = recipe.train.batch_size, recipe.train.accumulate
    if smallest_part(count, size, processes=processes, accumulate=accumulate) > 1:
        return
    if size < 2 * processes:
        over = f" over {processes} processes" if processes > 1 else ""
        what, hint = f"train.batch_size = {size}{over}", f"set train.batch_size to {2 * processes} at least"
    elif accumulate >= size:
        what = f"train.accumulate = {accumulate} with train.batch_size = {size}"
        hint = f"set train.accumulate to {size // (2 * processes)} at most, or a larger train.batch_size"
    elif count < 2:
        what, hint = f"a training part of {count} image", "training needs more images"
    else:
        return  # the engine makes fewer parts of a batch
    for number, stage in enumerate(recipe.stages):
        if lone := needing_two(network, recipe, stage):
            of_backbone = all(name.startswith("backbone.") for name in lone)
            raise RecipeError(
                f"{what} makes parts of one image, and in stage `{recipe.stage_name(number)}` BatchNorm needs two: "
                f"`{lone[0]}` has one value a channel of each image",
                hint,
                *([f'or leave its statistics as they are: stages.{number}.bn = "frozen"'] if of_backbone else []),
            )


def _untaught(data: Data) -> Iterator[str]:
    """Yield a warning of the classes that the training part has no image of."""
    counts, dropped = _counts(data), np.zeros(len(data.classes), np.int64)
    np.add.at(dropped, data.source.labels[[decision.index for decision in data.decisions]], 1)
    seen = {"dropped": dropped, **{part: counts[part] for part in PARTS if part != "train"}}
    absent = np.flatnonzero(counts["train"] == 0)
    if len(absent):
        said = _listed(
            (
                data.classes[label],
                [
                    f"{of[label]:,} {name}" if name == "dropped" else f"{of[label]:,} in {name}"
                    for name, of in seen.items()
                    if of[label]
                ],
            )
            for label in absent
        )
        yield (
            f"no training image is of {said}: nothing teaches the network such a class, and each image of one counts "
            "as a mistake; add training images, or leave the class out"
        )
    taught = np.flatnonzero(counts["train"])
    if len(taught) == 1:
        yield f"all training images are of `{data.classes[taught[0]]}`: the network learns to answer nothing else"


def _unmeasured(recipe: Recipe, data: Data) -> Iterator[str]:
    """Yield warnings of the classes that are learnt, and that a part the run measures has no image of."""
    counts = _counts(data)
    names = [metric.partition(".")[0] for metric in recipe.watched()] + [
        evaluation.name for evaluation in recipe.evaluate
    ]
    measured = {recipe.evaluation(name).part_name for name in names} - {"train"}
    parts = [part for part in PARTS if part in measured and counts[part].any()]
    lacking: dict[tuple[str, ...], list[int]] = {}
    for label in np.flatnonzero(counts["train"]):
        if without := tuple(part for part in parts if not counts[part][label]):
            lacking.setdefault(without, []).append(int(label))
    for without, labels in lacking.items():
        said = _listed((data.classes[label], [f"{counts['train'][label]:,} in train"]) for label in labels)
        where = " or ".join(without)
        yield f"no image in {where} is of {said}: nothing measured on {where} tells how well such a class is learnt"


def _weightless(data: Data, weights: NDArray[np.float64]) -> Iterator[str]:
    train = _counts(data)["train"]
    without = np.flatnonzero((weights == 0) & (train > 0))
    if len(without):
        said = _listed((data.classes[label], [f"{train[label]:,} in train"]) for label in without)
        yield f"loss.class_weights is 0 for {said}: these images teach nothing; give each class a weight above 0"


def _average(recipe: Recipe, steps: int) -> Iterator[str]:
    decay, total = recipe.train.ema_decay, steps * sum(stage.epochs for stage in recipe.stages)
    kept = decay**total
    if kept > _KEPT:
        rest = float(f"{10 / total:.1g}")
        instead = f"{1 - rest:g}" if rest < 1 else "0, which is none"
        yield (
            f"train.ema_decay = {decay:g} over {_steps(total)}: the average, which is what is measured and kept, still "
            f"holds {kept:.1%} of the weights of the start; set train.ema_decay to {instead}, or train longer"
        )


class _Nothing(StageHistory):
    """The history of a stage that has not begun."""

    def values(self, metric: str) -> list[float]:
        return []


def _rising(recipe: Recipe, steps: int) -> Iterator[str]:
    """Yield a warning of each schedule whose rate is highest at the very end: its warm-up is not over by then."""
    for number, stage in enumerate(recipe.stages):
        if stage.schedule.watches:
            continue
        total = stage.epochs * steps
        factor = stage.schedule.build(epochs=stage.epochs, steps_per_epoch=steps)
        looks = np.unique(np.linspace(0, total - 1, min(total, _LOOKS)).astype(int)).tolist()
        rates = [factor(step, _Nothing()) for step in looks]
        if len(rates) > 1 and rates[-1] > max(rates[:-1]):
            yield (
                f"stage `{recipe.stage_name(number)}`: the learning rate rises to the last of its {_steps(total)} "
                f"(schedule `{stage.schedule.component_name}`): a shorter warm-up, or more epochs, lets it come down"
            )


def _too_patient(recipe: Recipe) -> Iterator[str]:
    """Yield a warning of each ``patience`` that no stage is long enough for."""
    longest = max(stage.epochs for stage in recipe.stages)
    waiting: list[tuple[Schedule | Callback, int]] = [(callback, longest) for callback in recipe.callbacks]
    waiting += [(stage.schedule, stage.epochs) for stage in recipe.stages]
    for component, epochs in waiting:
        given = settings(component)
        for name in component.waits:
            if given[name] >= epochs:
                yield f"`{component.component_name}` has {name} = {given[name]} and {epochs} epochs: it never acts"


def _steps(count: int) -> str:
    return f"{count:,} step{'s' * (count != 1)}"


def _counts(data: Data) -> dict[str, NDArray[np.int64]]:
    return {part: data.counts(rows) for part, rows in data.parts.items()}


def _listed(classes: Iterable[tuple[str, list[str]]]) -> str:
    """Return classes with their figures: ``a`` (4 in test), ``b`` (no image at all)."""
    said = [f"`{name}` ({', '.join(figures) or 'no image at all'})" for name, figures in classes]
    more = f" and {len(said) - _LISTED:,} more" if len(said) > _LISTED else ""
    return ", ".join(said[:_LISTED]) + more
