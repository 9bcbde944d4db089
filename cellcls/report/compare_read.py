"""Reads runs into a comparison: finds, names and sorts them, and tests each against the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.errors import DataError, MissingInputError, UsageError, suggestion
from cellcls.ops.statistics.paired import Paired, Repeated, paired, repeated
from cellcls.ops.statistics.table import METRICS, lower_is_better
from cellcls.ops.storage import npz
from cellcls.recipe.scan import TomlTable
from cellcls.report.compare import RunComparison, Standing
from cellcls.report.expect import check_expectations, metric_names, metric_value
from cellcls.report.read import RunRecord, read_run
from cellcls.runs.folder import RunFolder, refuse_recipe
from cellcls.runs.plan import Plan, read_plan

_METHOD_ONLY = ("name", "views")
"""Settings of an evaluation that do not change its images."""


def read_comparison(paths: Sequence[Path], by: str | None = None) -> RunComparison:
    """Compare the runs in ``paths``; a folder of runs means all of them. ``by``: EVALUATION.METRIC.

    Raises ``MissingInputError`` if there is no run, ``UsageError`` if none is finished or has the metric, and
    ``DataError`` if a file is damaged.
    """
    named = {folder: folder.resolve() for path in paths for folder in _runs(path)}
    folders = list(dict.fromkeys(named.values()))
    records = {folder: read_run(folder) for folder in folders}
    finished = {
        folder: record for folder, record in records.items() if record.metrics.complete and record.metrics.evaluations
    }
    home = paths[0].resolve() if len(paths) == 1 else None
    planned = read_plan(home) if home else Plan()
    wanted = [folder.name for folder in folders if folder not in finished]
    existing = {folder.name for folder in (*named, *folders)}
    wanted += [run.folder for file in planned.files for run in file.runs if run.folder not in {*existing, "."}]
    if not finished:
        raise UsageError(f"none of these runs is finished: {', '.join(wanted)}", "finish one: cellcls run --resume RUN")
    chosen = _chosen(by, list(finished.values()))
    names = _names(finished, planned)
    standings = [
        Standing(label=label, name=name, record=record, value=metric_value(record.metrics, chosen))
        for (label, name), record in zip(names, finished.values(), strict=True)
    ]
    inside = {str(folder.relative_to(paths[0])): real for folder, real in named.items()} if home else {}
    within = {name: finished[real] for name, real in inside.items() if real in finished}
    return RunComparison(
        by=chosen,
        standings=_ranked(standings, chosen),
        unfinished=tuple(wanted),
        verdicts=check_expectations(planned, within),
        title=planned.files[0].name if len(planned.files) == 1 else _title(home),
        parent=home if home not in records else None,
    )


def _title(home: Path | None) -> str:
    return home.name if home else "Comparison"


def _runs(path: Path) -> list[Path]:
    refuse_recipe(path)
    folder = RunFolder(path)
    if folder.recipe.is_file():
        return [path]
    found = [child.path for child in folder.children()]
    if not found:
        problem = "not a run folder, and contains none" if path.is_dir() else "no such folder"
        raise MissingInputError(f"{path}: {problem}", "`cellcls run RECIPE` creates a run folder")
    return found


def _names(folders: Mapping[Path, RunRecord], planned: Plan) -> list[tuple[str, str]]:
    """Return a unique short name for each run, and the name it shares with other seeds: its variant or recipe."""
    shared = [planned.label(folder.name) or record.name for folder, record in folders.items()]
    seeded = [(name, record.metrics.seed) for name, record in zip(shared, folders.values(), strict=True)]
    labels = [f"{name} seed {seed}" if shared.count(name) > 1 else name for name, seed in seeded]
    twice = {seeded[at] for at in range(len(seeded)) if seeded.count(seeded[at]) > 1}
    labels = [
        folder.name if seed in twice else label for folder, label, seed in zip(folders, labels, seeded, strict=True)
    ]
    paths = [str(folder) if labels.count(label) > 1 else label for folder, label in zip(folders, labels, strict=True)]
    return list(zip(paths, shared, strict=True))


def _chosen(by: str | None, records: Sequence[RunRecord]) -> str:
    """Return the metric to sort by: on the test part, if all runs have it."""
    known = list(dict.fromkeys(name for record in records for name in metric_names(record.metrics)))
    if by is None:
        for name in ("test.accuracy", "val.accuracy"):
            if all(metric_value(record.metrics, name) is not None for record in records):
                return name
        return next(name for name in known if name.endswith(".accuracy"))
    if by not in known:
        shown = ", ".join(name for name in known if name.rpartition(".")[2] in METRICS)
        raise UsageError(f"none of the runs has a metric `{by}`", f"{suggestion(by, known)}available: {shown}")
    return by


def _ranked(standings: Sequence[Standing], by: str) -> tuple[Standing, ...]:
    sign = 1 if lower_is_better(by) else -1
    best, *others = sorted(
        standings,
        key=lambda standing: (standing.value is None, sign * (standing.value or 0.0), standing.label.casefold()),
    )
    evaluation = by.rpartition(".")[0]
    correct = _correct(best.record, evaluation)
    return (best, *(_against(standing, best, correct, evaluation) for standing in others))


# --- pairing ----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Correct:
    """Whether each image was classified correctly."""

    index: NDArray[Any]
    """(n,) index of the images, ascending."""
    marks: NDArray[np.bool_]
    """(n, conditions)"""


def _correct(record: RunRecord, evaluation: str) -> _Correct | None:
    """Read which images were classified correctly; a corrupted evaluation has each image once per condition."""
    path = RunFolder(record.folder).array("predictions", evaluation)
    if not path.is_file():
        return None
    index, label, probabilities = (_array(path, name) for name in ("index", "label", "probabilities"))
    condition = _array(path, "condition") if "condition" in npz.keys(path) else np.zeros(len(index), np.int64)
    conditions = int(condition.max(initial=0)) + 1
    order = np.lexsort((condition, index))
    images = index[order].reshape(-1, conditions) if len(index) % conditions == 0 else None
    if images is None or (images != images[:, :1]).any() or (np.diff(images[:, 0]) == 0).any():
        raise DataError(f"{path}: does not have every image once in every condition", "repeat the run")
    return _Correct(images[:, 0], (probabilities.argmax(1) == label)[order].reshape(-1, conditions))


def _array(path: Path, name: str) -> NDArray[Any]:
    return npz.load(npz.member(path, name), limit=1 << 32)


def _against(standing: Standing, best: Standing, best_correct: _Correct | None, evaluation: str) -> Standing:
    correct = _correct(standing.record, evaluation)
    if correct is None or best_correct is None:
        return attrs.evolve(standing, unpaired="no predictions were kept")
    if standing.record.data.hash != best.record.data.hash or not standing.record.data.hash:
        return attrs.evolve(standing, unpaired="a different data set")
    same = correct.marks.shape[1] == best_correct.marks.shape[1]
    if not same or _images(standing.record, evaluation) != _images(best.record, evaluation):
        return attrs.evolve(standing, unpaired="the images are corrupted differently")
    _, mine, others = np.intersect1d(correct.index, best_correct.index, assume_unique=True, return_indices=True)
    if not len(mine):
        return attrs.evolve(standing, unpaired="no images in common")
    return attrs.evolve(standing, against=_paired(correct.marks[mine], best_correct.marks[others]))


def _paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Paired | Repeated:
    return repeated(first, second) if first.shape[1] > 1 else paired(first, second)


def _images(record: RunRecord, evaluation: str) -> TomlTable:
    """Return the settings that determine an evaluation's images: their part, and how they are corrupted."""
    listed: list[TomlTable] = record.settings.get("evaluate", [])
    settings = next(
        (entry for entry in listed if entry.get("name") == evaluation), {"name": evaluation, "part": evaluation}
    )
    return {key: value for key, value in settings.items() if key not in _METHOD_ONLY}
