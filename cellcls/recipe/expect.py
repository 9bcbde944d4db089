"""``[[expect]]``: what a file says about its runs beside each other. It belongs to the file, not to a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from cellcls.ops.statistics.table import METRICS
from cellcls.recipe.model import FORMS, Expect, Recipe
from cellcls.recipe.overlay import Layer
from cellcls.recipe.problems import Problem, suggestion
from cellcls.recipe.scan import Path
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry

RUNNING = "train_running"
"""Where the running means of the last training epoch stand among a run's figures."""


def is_glob(entry: str) -> bool:
    """Tell whether an entry stands for several variants."""
    return any(letter in entry for letter in "*?[")


def structured(layer: Layer, registry: Registry) -> tuple[tuple[Expect, ...], list[Problem]]:
    """Return the expectations of a file (none where they have problems) and their problems."""
    if "expect" not in layer.data:
        return (), []
    structurer = Structurer(registry)
    made: Any = structurer.make(tuple[Expect, ...], layer.data["expect"], ("expect",))
    return (() if made is INVALID else made), structurer.problems


def check_entries(
    expected: Sequence[Expect], recipes: Sequence[Recipe], variants: Collection[str], others: Collection[FilePath]
) -> Iterator[Problem]:
    """Yield figures that no run of the file measures, and entries that nothing is called.

    ``recipes`` are all runs of the file (none where they are not known, and figures go unchecked), ``others`` the files
    an entry may name, by the name without ``.toml``.
    """
    evaluations = list(dict.fromkeys(one.name for recipe in recipes for one in recipe.evaluate))
    explained = {one.name or one.component_name for recipe in recipes for one in recipe.explain}
    outside = {path.stem for path in others} | {recipe.name for recipe in recipes}
    for number, one in enumerate(expected):
        at: Path = ("expect", number)
        if recipes:
            yield from _metric(one, at, evaluations, explained)
        given = next(name for name in FORMS if getattr(one, name) is not None)
        for place, entry in enumerate(one.entries):
            where = (*at, given, place)
            yield from (
                _evaluation(entry, where, evaluations) if one.of_evaluations else _run(entry, where, variants, outside)
            )


def _evaluation(entry: str, where: Path, evaluations: Sequence[str]) -> Iterator[Problem]:
    if evaluations and entry not in evaluations:
        there = f"{suggestion(entry, evaluations)}there are: {', '.join(evaluations)}"
        yield Problem(where, f"no evaluation is called `{entry}`", there)


def _run(entry: str, where: Path, variants: Collection[str], outside: set[str]) -> Iterator[Problem]:
    there = f"variants: {', '.join(variants) or 'none'}"
    if is_glob(entry):
        if not any(fnmatchcase(name, entry) for name in variants):
            yield Problem(where, f"no variant fits `{entry}`", there)
    elif entry not in variants and not _is_outside(entry, outside):
        hint = f"{suggestion(entry, [*variants, *sorted(outside)])}{there}"
        yield Problem(where, f"no variant and no recipe is called `{entry}`", hint)


def _metric(one: Expect, at: Path, evaluations: Sequence[str], explained: set[str]) -> Iterator[Problem]:
    source, _, figure = one.metric.rpartition(".")
    if source in explained:  # its figures are the explainer's
        return
    known = [*evaluations, RUNNING]
    allowed = ("loss", "accuracy") if source == RUNNING else METRICS
    if figure not in allowed or (source and source not in known):
        near = suggestion(one.metric, [*METRICS, *(f"{name}.{other}" for name in known for other in METRICS)])
        where = (
            f"EVALUATION.METRIC with one of {', '.join([*known, *sorted(explained)])} and one of {', '.join(allowed)}"
        )
        yield Problem((*at, "metric"), f"`{one.metric}` is no figure of this recipe", f"{near}say {where}")


def _is_outside(entry: str, outside: set[str]) -> bool:
    """Tell whether an entry is another recipe, or a variant of one: ``backbones-vgg16``."""
    return any(entry == name or entry.startswith(f"{name}-") for name in outside)
