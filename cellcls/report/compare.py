"""Finished runs side by side: sorted by one figure, each paired with the best on the images that both saw."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.errors import MissingInputError, UsageError
from cellcls.ops import npz
from cellcls.ops.paired import Paired, difference_interval, mcnemar, paired
from cellcls.recipe import METRICS
from cellcls.recipe.problems import suggestion
from cellcls.report.expect import Verdict, figure, figures_of, judge
from cellcls.report.read import Evaluation, RunRecord, read_run
from cellcls.run.folder import RunFolder
from cellcls.run.plan import Plan, read_plan

NOISE = 0.05
"""A difference with a p of this or more may be chance."""
_METHOD_ONLY = ("name", "views")
"""Settings of an evaluation that do not change the images it is made on."""


@attrs.frozen(kw_only=True)
class Standing:
    """A run among the others. ``against``: its images counted against the best's, this run first."""

    label: str
    record: RunRecord
    value: float | None
    against: Paired | None = None
    unpaired: str = ""
    """Why it is not paired with the best."""

    @property
    def p(self) -> float | None:
        """McNemar's exact p."""
        return mcnemar(self.against.first, self.against.second) if self.against else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95% interval of the difference in accuracy to the best."""
        return difference_interval(self.against) if self.against else None

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
        """The evaluations that all runs have, the one they are sorted by first."""
        found = [one.record.metrics.evaluations for one in self.standings]
        shared = [name for name in found[0] if all(name in other for other in found)]
        order = {self.evaluation: 0, "test": 1, "val": 2}
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
        values = {
            name: tuple(one.record.metrics.evaluations[name].accuracy for one in group) for name in self.evaluations
        }
        return Seeds(label=group[0].record.name, values=values)


def read_comparison(paths: Sequence[Path], by: str | None = None) -> Comparison:
    """Compare the runs in ``paths``; a folder of runs stands for all of them. ``by``: EVALUATION.METRIC.

    Raises ``MissingInputError`` where there is no run, ``UsageError`` where none is finished or has the figure,
    ``DataError`` where a file is damaged.
    """
    folders = list(dict.fromkeys(folder.resolve() for path in paths for folder in _runs(path)))
    records = {folder: read_run(folder) for folder in folders}
    finished = {folder: one for folder, one in records.items() if one.metrics.complete and one.metrics.evaluations}
    home = paths[0].resolve() if len(paths) == 1 else None
    planned = read_plan(home) if home else Plan()
    wanted = [folder.name for folder in folders if folder not in finished]
    made = {folder.name for folder in folders}
    wanted += [run.folder for file in planned.files for run in file.runs if run.folder not in {*made, "."}]
    if not finished:
        raise UsageError(f"none of these runs is finished: {', '.join(wanted)}", "cellcls run --resume RUN")
    chosen = _chosen(by, list(finished.values()))
    named = dict(zip(_labels(finished, planned), finished.values(), strict=True))
    within = {str(folder.relative_to(home)): one for folder, one in finished.items()} if home else {}
    return Comparison(
        by=chosen,
        standings=_ranked(named, chosen),
        unfinished=tuple(wanted),
        verdicts=judge(planned, within),
        title=planned.files[0].name if len(planned.files) == 1 else _title(home),
        parent=home if home not in records else None,
    )


def _title(home: Path | None) -> str:
    return home.name if home else "Comparison"


def _runs(path: Path) -> list[Path]:
    folder = RunFolder(path)
    if folder.recipe.is_file():
        return [path]
    found = [one.path for one in folder.children()]
    if not found:
        what = "a run folder, nor does it hold any" if path.is_dir() else "there"
        raise MissingInputError(f"{path}: not {what}", "`cellcls run RECIPE` makes a run folder")
    return found


def _labels(folders: Mapping[Path, RunRecord], planned: Plan) -> list[str]:
    """Return a short name for each run, no two alike: its variant or recipe, else its folder."""
    names = [planned.label(folder.name) or one.name for folder, one in folders.items()]
    twice = {name for name, times in Counter(names).items() if times > 1}
    own = [folder.name if name in twice else name for name, folder in zip(names, folders, strict=True)]
    twice = {name for name, times in Counter(own).items() if times > 1}
    return [str(folder) if name in twice else name for name, folder in zip(own, folders, strict=True)]


def _chosen(by: str | None, records: Sequence[RunRecord]) -> str:
    """Return the figure to sort by: of the test part, where all runs have it."""
    known = list(dict.fromkeys(name for one in records for name in figures_of(one.metrics)))
    if by is None:
        for name in ("test.accuracy", "val.accuracy"):
            if all(figure(one.metrics, name) is not None for one in records):
                return name
        return next(name for name in known if name.endswith(".accuracy"))
    if by not in known:
        shown = ", ".join(name for name in known if name.rpartition(".")[2] in METRICS)
        raise UsageError(f"none of the runs has a figure `{by}`", f"{suggestion(by, known)}there are: {shown}")
    return by


def _ranked(named: Mapping[str, RunRecord], by: str) -> tuple[Standing, ...]:
    sign = 1 if by.endswith(".loss") else -1
    standings = [Standing(label=label, record=one, value=figure(one.metrics, by)) for label, one in named.items()]
    standings.sort(key=lambda one: (one.value is None, sign * (one.value or 0.0), one.label))
    evaluation = by.rpartition(".")[0]
    best = standings[0]
    right = _right(best.record, evaluation)
    return (best, *(_against(one, best, right, evaluation) for one in standings[1:]))


# --- pairing ----------------------------------------------------------------------------------------------------

Right = dict[str, NDArray[Any]]
"""``index`` (n,) of the images and whether each was named ``right`` (n,)."""


def _right(record: RunRecord, evaluation: str) -> Right | None:
    path = RunFolder(record.folder).array("predictions", evaluation)
    if not path.is_file():
        return None
    index, label, probabilities = (
        npz.load(npz.member(path, name), limit=1 << 32) for name in ("index", "label", "probabilities")
    )
    return {"index": index, "right": probabilities.argmax(1) == label}


def _against(one: Standing, best: Standing, best_right: Right | None, evaluation: str) -> Standing:
    right = _right(one.record, evaluation)
    if right is None or best_right is None:
        return attrs.evolve(one, unpaired="no predictions were kept")
    if one.record.data.hash != best.record.data.hash or not one.record.data.hash:
        return attrs.evolve(one, unpaired="another data set")
    if _images(one.record, evaluation) != _images(best.record, evaluation):
        return attrs.evolve(one, unpaired="the images were made in another way")
    _, mine, others = np.intersect1d(right["index"], best_right["index"], assume_unique=True, return_indices=True)
    if not len(mine):
        return attrs.evolve(one, unpaired="no image in common")
    return attrs.evolve(one, against=paired(right["right"][mine], best_right["right"][others]))


def _images(record: RunRecord, evaluation: str) -> dict[str, Any]:
    """Return what a recipe says of an evaluation's images: their part, and how they are corrupted."""
    listed: list[dict[str, Any]] = record.settings.get("evaluate", [])
    said = next((one for one in listed if one.get("name") == evaluation), {"name": evaluation, "part": evaluation})
    return {key: value for key, value in said.items() if key not in _METHOD_ONLY}


# --- baselines and seeds ----------------------------------------------------------------------------------------


def _majority(shown: Evaluation) -> float:
    sizes = [sum(row) for row in shown.confusion]
    return max(sizes) / max(sum(sizes), 1)


def _without_seed(record: RunRecord) -> str:
    data = {key: value for key, value in record.settings.items() if key != "seed"}
    return json.dumps([data, record.data.hash, record.metrics.rehearsal], sort_keys=True, default=str)


def _seed(one: Standing) -> int | None:
    return one.record.metrics.seed


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
    kept = ("part", "n", "accuracy", "accuracy_ci", "balanced_accuracy", "macro_f1", "macro_f1_ci", "seconds_per_image")
    against = one.against
    return {
        "name": one.label,
        "run": str(one.record.folder),
        "recipe": one.record.name,
        "seed": metrics.seed,
        "rehearsal": metrics.rehearsal,
        "value": one.value,
        "evaluations": {
            name: {key: getattr(shown, key) for key in kept} for name, shown in metrics.evaluations.items()
        },
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
