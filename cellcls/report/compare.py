"""Finished runs side by side: sorted by one metric, each compared with the best on the images they share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev

import attrs

from cellcls.ops.statistics.paired import Paired, Repeated
from cellcls.report.expect import Verdict
from cellcls.report.read import RunRecord
from cellcls.runs.records import EvaluationRecord
from cellcls.runs.records import to_data as record_data

NOISE = 0.05
"""Differences with a p-value of this or more may be chance."""


@attrs.frozen(kw_only=True)
class Standing:
    """A run in the comparison. ``against``: the paired test against the best run, this run first."""

    label: str
    name: str
    """Its label without the seed."""
    record: RunRecord
    value: float | None
    against: Paired | Repeated | None = None
    unpaired: str = ""
    """Why no paired test with the best run was possible."""

    @property
    def p(self) -> float | None:
        """The exact p-value of the difference to the best run."""
        return self.against.p if self.against else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% interval of the difference in accuracy to the best run."""
        return self.against.interval if self.against else None

    @property
    def is_noise(self) -> bool | None:
        """Whether the difference may be chance (None: not paired)."""
        return None if self.p is None else self.p >= NOISE

    @property
    def training_seconds(self) -> float:
        """The training time in seconds."""
        return sum(epoch.seconds for epoch in self.record.history)


@attrs.frozen(kw_only=True)
class SeedGroup:
    """Runs that differ only in their seed or fold, with the accuracy of each in every evaluation."""

    label: str
    values: Mapping[str, tuple[float, ...]]

    @property
    def runs(self) -> int:
        """The number of runs."""
        return len(next(iter(self.values.values())))

    def mean(self, evaluation: str) -> float:
        """Return the mean over the runs."""
        return mean(self.values[evaluation])

    def spread(self, evaluation: str) -> float:
        """Return the sample standard deviation over the runs."""
        return stdev(self.values[evaluation])


@attrs.frozen(kw_only=True, slots=False, repr=False)
class RunComparison:
    """Runs sorted by the metric ``by``, best first. ``parent``: the folder that contains them all, if it was given."""

    by: str
    standings: tuple[Standing, ...]
    unfinished: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    title: str
    parent: Path | None = None

    def __repr__(self) -> str:
        values = ", ".join(f"{standing.label} {standing.value}" for standing in self.standings)
        return f"RunComparison(by {self.by}: {values})"

    @property
    def best(self) -> Standing:
        """The run that all others are compared with."""
        return self.standings[0]

    @property
    def evaluation(self) -> str:
        """The evaluation that the runs are sorted by."""
        return self.by.rpartition(".")[0]

    @cached_property
    def evaluations(self) -> tuple[str, ...]:
        """The evaluations that all runs have, preceded by the one they are sorted by (which some may lack)."""
        found = [standing.record.metrics.evaluations for standing in self.standings]
        shared = [
            name for name in found[0] if name == self.evaluation or all(name in evaluations for evaluations in found)
        ]
        order = {"test": 1, "val": 2} | {self.evaluation: 0}
        return tuple(sorted(shared, key=lambda name: order.get(name, 3)))

    @property
    def same_data(self) -> bool:
        """Whether all runs used the same data set."""
        return len({standing.record.data.hash for standing in self.standings}) == 1 and bool(self.best.record.data.hash)

    @property
    def rehearsal(self) -> bool:
        """Whether any run is a rehearsal."""
        return any(standing.record.metrics.rehearsal for standing in self.standings)

    @property
    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """The accuracy of two trivial classifiers, by name and evaluation."""
        shown = {name: self.best.record.metrics.evaluations[name] for name in self.evaluations}
        return {
            "chance": {name: 1 / len(evaluation.classes) for name, evaluation in shown.items()},
            "majority class": {name: _majority(evaluation) for name, evaluation in shown.items()},
        }

    @cached_property
    def seeds(self) -> tuple[SeedGroup, ...]:
        """Groups of runs that differ only in their seed or fold, ordered by the best run of each."""
        groups: dict[str, list[Standing]] = {}
        for standing in self.standings:
            groups.setdefault(_without_seed(standing.record), []).append(standing)
        return tuple(
            self._seeds(group) for group in groups.values() if len({_seed(standing) for standing in group}) > 1
        )

    def _seeds(self, group: Sequence[Standing]) -> SeedGroup:
        found = [evaluations.record.metrics.evaluations for evaluations in group]
        names = [name for name in self.evaluations if all(name in evaluations for evaluations in found)]
        values = {name: tuple(evaluations[name].accuracy for evaluations in found) for name in names}
        return SeedGroup(label=group[0].name, values=values)


def _majority(shown: EvaluationRecord) -> float:
    sizes = [sum(row) for row in shown.confusion]
    return max(sizes) / max(sum(sizes), 1)


def _without_seed(record: RunRecord) -> str:
    data = {key: value for key, value in record.settings.items() if key != "seed"}
    data["split"] = {key: value for key, value in data.get("split", {}).items() if key != "fold"}
    return json.dumps([data, record.data.hash, record.metrics.rehearsal], sort_keys=True, default=str)


def _seed(standing: Standing) -> tuple[int | None, int | None]:
    return standing.record.metrics.seed, standing.record.settings.get("split", {}).get("fold")


# --- JSON -------------------------------------------------------------------------------------------------------


_NOT_COMPARED = ("classes", "per_class", "confusion", "views", "balanced_error", "relative_balanced_error")
"""Entries of an evaluation that stay in the run's own files."""


def to_data(comparison: RunComparison) -> dict[str, object]:
    """Return the comparison as JSON data; accuracies and differences are in 0..1."""
    return {
        "by": comparison.by,
        "runs": [_run_data(standing) for standing in comparison.standings],
        "unfinished": list(comparison.unfinished),
        "baselines": {name: dict(values) for name, values in comparison.baselines.items()},
        "seeds": list(_seeds_data(comparison)),
        "expectations": [attrs.asdict(verdict) for verdict in comparison.verdicts],
    }


def _run_data(standing: Standing) -> dict[str, object]:
    metrics = standing.record.metrics
    against = standing.against
    return {
        "name": standing.label,
        "run": str(standing.record.folder),
        "recipe": standing.record.name,
        "seed": metrics.seed,
        "rehearsal": metrics.rehearsal,
        "value": standing.value,
        "evaluations": {
            name: {key: value for key, value in record_data(shown).items() if key not in _NOT_COMPARED}
            for name, shown in metrics.evaluations.items()
        },
        "train_running": metrics.train_running,
        "to_best": None
        if against is None
        else {
            "difference": against.difference,
            "interval": standing.interval,
            "p": standing.p,
            "noise": standing.is_noise,
        }
        | {"images": against.n, "only_this": against.first, "only_best": against.second},
        "not_paired": standing.unpaired or None,
        "parameters": metrics.parameters,
        "training_seconds": standing.training_seconds,
        "claims": {"held": sum(claim.held is True for claim in metrics.claims), "of": len(metrics.claims)},
    }


def _seeds_data(comparison: RunComparison) -> Iterator[dict[str, object]]:
    for group in comparison.seeds:
        accuracy = {
            name: {"mean": group.mean(name), "sd": group.spread(name), "values": list(values)}
            for name, values in group.values.items()
        }
        yield {"name": group.label, "runs": group.runs, "accuracy": accuracy}
