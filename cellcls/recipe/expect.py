"""``[[expect]]``: what a file expects of its runs in comparison. It belongs to the file, not to a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from cellcls.errors import suggestion
from cellcls.ops.statistics.table import METRICS
from cellcls.recipe.model import FORMS, Expect, Recipe
from cellcls.recipe.overlay import Layer
from cellcls.recipe.problems import Problem
from cellcls.recipe.scan import Path
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry

RUNNING = "train_running"
"""The source of the running means of the last training epoch among a run's metrics."""


def is_glob(entry: str) -> bool:
    """Return whether an entry matches several variants."""
    return any(letter in entry for letter in "*?[")


def structured(layer: Layer, registry: Registry) -> tuple[tuple[Expect, ...], list[Problem]]:
    """Return the expectations of a file (none if they have problems) and their problems."""
    if "expect" not in layer.data:
        return (), []
    structurer = Structurer(registry)
    expected: Any = structurer.make(tuple[Expect, ...], layer.data["expect"], ("expect",))
    return (() if expected is INVALID else expected), structurer.problems


def check_entries(
    expected: Sequence[Expect], recipes: Sequence[Recipe], variants: Collection[str], others: Collection[FilePath]
) -> Iterator[Problem]:
    """Yield metrics that no run of the file measures, and entries that do not exist.

    ``recipes`` are all runs of the file (empty if unknown; metrics are not checked then), ``others`` the files that an
    entry may name, without ``.toml``.
    """
    evaluations = list(dict.fromkeys(evaluation.name for recipe in recipes for evaluation in recipe.evaluate))
    explained = {explainer.name or explainer.component_name for recipe in recipes for explainer in recipe.explain}
    outside = {path.stem for path in others} | {recipe.name for recipe in recipes}
    for number, expectation in enumerate(expected):
        at: Path = ("expect", number)
        if recipes:
            yield from _metric(expectation, at, evaluations, explained)
        given = next(name for name in FORMS if getattr(expectation, name) is not None)
        for place, entry in enumerate(expectation.entries):
            where = (*at, given, place)
            yield from (
                _evaluation(entry, where, evaluations)
                if expectation.of_evaluations
                else _run(entry, where, variants, outside)
            )


def _evaluation(entry: str, where: Path, evaluations: Sequence[str]) -> Iterator[Problem]:
    if evaluations and entry not in evaluations:
        hint = f"{suggestion(entry, evaluations)}available: {', '.join(evaluations)}"
        yield Problem(where, f"no evaluation is called `{entry}`", hint)


def _run(entry: str, where: Path, variants: Collection[str], outside: set[str]) -> Iterator[Problem]:
    available = f"variants: {', '.join(variants) or 'none'}"
    if is_glob(entry):
        if not any(fnmatchcase(name, entry) for name in variants):
            yield Problem(where, f"no variant matches `{entry}`", available)
    elif entry not in variants and not _is_outside(entry, outside):
        hint = f"{suggestion(entry, [*variants, *sorted(outside)])}{available}"
        yield Problem(where, f"no variant and no recipe is called `{entry}`", hint)


def _metric(expectation: Expect, at: Path, evaluations: Sequence[str], explained: set[str]) -> Iterator[Problem]:
    source, _, metric = expectation.metric.rpartition(".")
    if source in explained:  # only the explainer knows its metrics
        return
    known = [*evaluations, RUNNING]
    allowed = ("loss", "accuracy") if source == RUNNING else METRICS
    if metric not in allowed or (source and source not in known):
        near = suggestion(
            expectation.metric,
            [*METRICS, *(f"{name}.{name_of_metric}" for name in known for name_of_metric in METRICS)],
        )
        where = (
            f"EVALUATION.METRIC with one of {', '.join([*known, *sorted(explained)])} and one of {', '.join(allowed)}"
        )
        yield Problem((*at, "metric"), f"`{expectation.metric}` is not a metric of this recipe", f"{near}write {where}")


def _is_outside(entry: str, outside: set[str]) -> bool:
    """Return whether an entry is another recipe, or a variant of one: ``backbones-vgg16``."""
    return any(entry == name or entry.startswith(f"{name}-") for name in outside)
