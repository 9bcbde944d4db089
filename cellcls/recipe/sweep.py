"""``[sweep]``: which settings of a recipe are searched, and over which values. It belongs to the file, not to a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import tomli_w

from cellcls.api import Search, Value
from cellcls.errors import UsageError, suggestion
from cellcls.ops.statistics.table import METRICS
from cellcls.recipe import checks
from cellcls.recipe.dump import inline, to_data
from cellcls.recipe.model import OUTER, Recipe
from cellcls.recipe.overlay import Layer, set_value
from cellcls.recipe.problems import Problem
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry

_FIXED = ("name", "claim", "requires", "seed", "dataset", "cleaners", "split", "evaluate")
"""What all trials share: the evaluated images, the evaluations, and the seed (a lucky seed is not a setting)."""
_BESIDE = ("variants", "seeds", "expect")


def structured(layer: Layer, registry: Registry) -> tuple[Search | None, list[Problem]]:
    """Return the search of a file (None if it has none, or problems) and its problems."""
    if "sweep" not in layer.data:
        return None, []
    structurer = Structurer(registry)
    search: Any = structurer.make(Search, layer.data["sweep"], ("sweep",))
    problems = structurer.problems
    problems += [
        Problem(
            (key,), f"`{key}` cannot be combined with [sweep]", "put [sweep] in another file, with this one as `base`"
        )
        for key in _BESIDE
        if key in layer.data
    ]
    return (None if search is INVALID else search), problems


def check(search: Search, recipe: Recipe, layer: Layer, registry: Registry, *, rehearse: bool) -> Iterator[Problem]:
    """Yield the problems of a search over ``recipe``, whose file is ``layer``: a metric that it does not measure or
    that is not of the validation part, and settings that do not exist or do not take the searched values."""
    yield from _metric(search, recipe)
    if not search.space:
        yield Problem(("sweep",), "`space` names no setting to search", _EXAMPLE, value=False)
    for key, choice in search.space.items():
        yield from _setting(key, choice.extremes(), layer, registry, rehearse)


_EXAMPLE = 'as in space = { "stages.0.optimizer.lr" = { low = 1e-5, high = 1e-2, log = true } }'


def _metric(search: Search, recipe: Recipe) -> Iterator[Problem]:
    """Yield a metric that is not measured on the validation part: a search would overfit the test part."""
    allowed = [
        f"{evaluation.name}.{metric}"
        for evaluation in recipe.evaluate
        if evaluation.part_name == "val"
        for metric in METRICS
    ]
    if search.metric not in allowed:
        hint = (
            f"{suggestion(search.metric, allowed)}available: {', '.join(allowed) or 'none: add an [[evaluate]] on val'}"
        )
        known = {f"{evaluation.name}.{metric}" for evaluation in recipe.evaluate for metric in METRICS}
        problem = (
            "is not measured on `val`, and a search must not use another part"
            if search.metric in known
            else "is not a metric of this recipe"
        )
        yield Problem(("sweep", "metric"), f"`{search.metric}` {problem}", hint)


def _setting(
    key: str, extremes: tuple[Any, ...], layer: Layer, registry: Registry, rehearse: bool
) -> Iterator[Problem]:
    place = ("sweep", "space", key)
    if key.split(".", 1)[0] in (*OUTER, *_FIXED):
        yield Problem(place, f"`{key}` cannot be searched: trials would not be comparable", value=False)
        return
    for value in extremes:
        try:
            trial = set_value(layer, assignment(key, value))
        except UsageError as error:
            yield Problem(place, error.message.partition(": ")[2], value=False)
            return
        structurer = Structurer(registry)
        recipe = structurer.make(Recipe, trial.data, ())
        problems = structurer.problems if recipe is INVALID else list(checks.check(recipe, rehearse=rehearse))
        if problems:
            first = problems[0]
            yield Problem(place, f"`{key}` = {value}: {first.message}", first.hint, value=False)
            return


def assignment(key: str, value: Any) -> str:
    """Return ``KEY=VALUE`` as ``--set`` takes it."""
    return f"{key}={inline(value)}"


def as_text(search: Search) -> str:
    """Return a search as TOML, from which it can be read again."""
    data = to_data(search)
    return tomli_w.dumps({"sweep": {key: value for key, value in data.items() if value is not None}})


def settings_of(trial: Mapping[str, Value]) -> list[str]:
    """Return the settings of a trial as ``--set`` takes them."""
    return [assignment(key, value) for key, value in trial.items()]


@attrs.frozen
class Best:
    """The best of several values."""

    lowest: bool

    def of(self, values: Mapping[int, float | None]) -> int | None:
        """Return the number of the best value, or None if there is none."""
        known = {number: value for number, value in values.items() if value is not None}
        if not known:
            return None
        return min(known, key=lambda number: (known[number] if self.lowest else -known[number], number))
