"""``[[expect]]``: what a file says about its runs beside each other. It belongs to the file, not to a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from cellcls.api import param
from cellcls.recipe.model import METRICS, Recipe, section
from cellcls.recipe.overlay import Layer
from cellcls.recipe.problems import Problem, suggestion
from cellcls.recipe.scan import Path
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry

RUNNING = "train_running"
"""Where the running means of the last training epoch stand among a run's figures."""
_FORMS = ("order", "among", "difference")


@section
class Expect:
    """What is expected of several figures: an order, that they lie close together, or a difference.

    An entry is a variant of the file, a recipe of the same call, or a glob of variants (its best by ``train.select``);
    where ``metric`` has no dot, an entry is an evaluation of one run. Several seeds count with their mean.
    """

    metric: str = param(help="EVALUATION.METRIC, or METRIC where the entries are evaluations of one run.")
    order: tuple[str, ...] | None = param(default=None, help="Best first: each at least as good as the next.")
    slack: float = param(default=0.0, ge=0, help="By how much a figure of `order` may fall short of the next.")
    among: tuple[str, ...] | None = param(default=None, help="Figures that lie close together.")
    within: float | None = param(default=None, ge=0, help="How far apart those of `among` may lie at most.")
    difference: tuple[str, str] | None = param(default=None, help="Two figures: the first less the second.")
    value: float | None = param(default=None, help="The expected difference.")
    tolerance: float | None = param(default=None, ge=0, help="How far off the difference may be.")

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        given = [name for name in _FORMS if getattr(self, name) is not None]
        if len(given) != 1:
            return "takes exactly one of `order`, `among`, `difference`"
        if len(self.entries) < 2 or len(set(self.entries)) < len(self.entries):
            return f"needs two or more different entries in `{given[0]}`"
        if self.slack and self.order is None:
            return "takes `slack` with `order` only"
        if (self.among is None) != (self.within is None):
            return "takes `among` and `within` together"
        if (self.difference is None) != (self.value is None) or (self.value is None) != (self.tolerance is None):
            return "takes `difference`, `value` and `tolerance` together"
        return None

    @property
    def entries(self) -> tuple[str, ...]:
        """What is compared."""
        return self.order or self.among or self.difference or ()

    @property
    def of_evaluations(self) -> bool:
        """Whether the entries are evaluations of one run."""
        return "." not in self.metric

    @property
    def figure(self) -> str:
        """The metric without its evaluation."""
        return self.metric.rpartition(".")[2]

    @property
    def lower_is_better(self) -> bool:
        """Whether the best is the lowest."""
        return self.figure == "loss"

    def __str__(self) -> str:
        if self.order is not None:
            slack = f" (slack {self.slack:g})" if self.slack else ""
            return f"{self.metric}: {(' ≤ ' if self.lower_is_better else ' ≥ ').join(self.order)}{slack}"
        if self.among is not None:
            return f"{self.metric}: {', '.join(self.among)} within {self.within:g}"
        return f"{self.metric}: {' − '.join(self.entries)} = {self.value:g} ± {self.tolerance:g}"


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
        given = next(name for name in _FORMS if getattr(one, name) is not None)
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
