"""Finished runs side by side: sorted by one figure, each paired with the best on the images that both saw."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import attrs

from cellcls.ops.statistics.paired import Paired, Repeated
from cellcls.report.expect import Verdict
from cellcls.report.read import RunRecord
from cellcls.runs.records import EvaluationRecord
from cellcls.runs.records import to_data as record_data

NOISE = 0.05
"""A difference with a p of this or more may be chance."""


@attrs.frozen(kw_only=True)
class Standing:
    """A run among the others. ``against``: its images counted against the best's, this run first."""

    label: str
    name: str
    """Its label without the seed."""
    record: RunRecord
    value: float | None
    against: Paired | Repeated | None = None
    unpaired: str = ""
    """Why it is not paired with the best."""

    @property
    def p(self) -> float | None:
        """The exact p that both are equally good."""
        return self.against.p if self.against else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the difference in accuracy to the best."""
        return self.against.interval if self.against else None

    @property
    def is_noise(self) -> bool | None:
        """Whether the difference may be chance (None: not paired)."""
        return None if self.p is None else self.p >= NOISE

    @property
    def training_seconds(self) -> float:
        """How long training took."""
        return sum(epoch.seconds for epoch in self.record.history)


@attrs.frozen(kw_only=True)
class Seeds:
    """Runs that differ by their seed alone; figures of each evaluation's accuracy."""

    label: str
    values: Mapping[str, tuple[float, ...]]

    @property
    def runs(self) -> int:
        """How many there are."""
        return len(next(iter(self.values.values())))

    def mean(self, evaluation: str) -> float:
        """Return the mean over the seeds."""
        return mean(self.values[evaluation])

    def spread(self, evaluation: str) -> float:
        """Return the standard deviation over the seeds, of the sample."""
        return stdev(self.values[evaluation])


@attrs.frozen(kw_only=True, slots=False)
class Comparison:
    """Runs sorted by the figure ``by``, the best first; ``parent``: the folder all of them lie in, if it was named."""

    by: str
    standings: tuple[Standing, ...]
    unfinished: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    title: str
    parent: Path | None = None

    @property
    def best(self) -> Standing:
        """The run all others are compared with."""
        return self.standings[0]

    @property
    def evaluation(self) -> str:
        """The evaluation that the runs are sorted by."""
        return self.by.rpartition(".")[0]

    @cached_property
    def evaluations(self) -> tuple[str, ...]:
        """The evaluations that all runs have, first the one they are sorted by, which some may lack."""
        found = [one.record.metrics.evaluations for one in self.standings]
        shared = [name for name in found[0] if name == self.evaluation or all(name in other for other in found)]
        order = {"test": 1, "val": 2} | {self.evaluation: 0}
        return tuple(sorted(shared, key=lambda name: order.get(name, 3)))

    @property
    def same_data(self) -> bool:
        """Whether all runs were given the same data set."""
        return len({one.record.data.hash for one in self.standings}) == 1 and bool(self.best.record.data.hash)

    @property
    def rehearsal(self) -> bool:
        """Whether some run is one."""
        return any(one.record.metrics.rehearsal for one in self.standings)

    @property
    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Accuracy of two classifiers that look at no image, by their names and evaluation."""
        shown = {name: self.best.record.metrics.evaluations[name] for name in self.evaluations}
        return {
            "chance": {name: 1 / len(one.classes) for name, one in shown.items()},
            "majority class": {name: _majority(one) for name, one in shown.items()},
        }

    @cached_property
    def seeds(self) -> tuple[Seeds, ...]:
        """Groups of runs that differ by their seed alone, in the order of the best of each."""
        groups: dict[str, list[Standing]] = {}
        for one in self.standings:
            groups.setdefault(_without_seed(one.record), []).append(one)
        return tuple(self._seeds(group) for group in groups.values() if len({_seed(one) for one in group}) > 1)

    def _seeds(self, group: Sequence[Standing]) -> Seeds:
        found = [one.record.metrics.evaluations for one in group]
        names = [name for name in self.evaluations if all(name in one for one in found)]
        values = {name: tuple(one[name].accuracy for one in found) for name in names}
        return Seeds(label=group[0].name, values=values)


def _majority(shown: EvaluationRecord) -> float:
    sizes = [sum(row) for row in shown.confusion]
    return max(sizes) / max(sum(sizes), 1)


def _without_seed(record: RunRecord) -> str:
    data = {key: value for key, value in record.settings.items() if key != "seed"}
    return json.dumps([data, record.data.hash, record.metrics.rehearsal], sort_keys=True, default=str)


def _seed(one: Standing) -> int | None:
    return one.record.metrics.seed


# --- as data ----------------------------------------------------------------------------------------------------


_NOT_COMPARED = ("classes", "per_class", "confusion", "views", "balanced_error", "relative_balanced_error")
"""Of an evaluation, what a comparison's file leaves to the run's own."""


def to_data(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON data; accuracies and differences in 0..1."""
    return {
        "by": comparison.by,
        "runs": [_run_data(one) for one in comparison.standings],
        "unfinished": list(comparison.unfinished),
        "baselines": {name: dict(values) for name, values in comparison.baselines.items()},
        "seeds": list(_seeds_data(comparison)),
        "expectations": [attrs.asdict(one) for one in comparison.verdicts],
    }


def _run_data(one: Standing) -> dict[str, Any]:
    metrics = one.record.metrics
    against = one.against
    return {
        "name": one.label,
        "run": str(one.record.folder),
        "recipe": one.record.name,
        "seed": metrics.seed,
        "rehearsal": metrics.rehearsal,
        "value": one.value,
        "evaluations": {
            name: {key: value for key, value in record_data(shown).items() if key not in _NOT_COMPARED}
            for name, shown in metrics.evaluations.items()
        },
        "train_running": metrics.train_running,
        "to_best": None
        if against is None
        else {"difference": against.difference, "interval": one.interval, "p": one.p, "noise": one.is_noise}
        | {"images": against.n, "only_this": against.first, "only_best": against.second},
        "not_paired": one.unpaired or None,
        "parameters": metrics.parameters,
        "training_seconds": one.training_seconds,
        "claims": {"held": sum(claim.held is True for claim in metrics.claims), "of": len(metrics.claims)},
    }


def _seeds_data(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for one in comparison.seeds:
        accuracy = {
            name: {"mean": one.mean(name), "sd": one.spread(name), "values": list(values)}
            for name, values in one.values.items()
        }
        yield {"name": one.label, "runs": one.runs, "accuracy": accuracy}
