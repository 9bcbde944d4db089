"""Reads runs into a comparison: finds them, names them, sorts them and pairs each with the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.errors import DataError, MissingInputError, UsageError
from cellcls.ops.statistics.paired import Paired, Repeated, paired, repeated
from cellcls.ops.statistics.table import METRICS, lower_is_better
from cellcls.ops.storage import npz
from cellcls.recipe.problems import suggestion
from cellcls.report.compare import Comparison, Standing
from cellcls.report.expect import figure, figures_of, judge
from cellcls.report.read import RunRecord, read_run
from cellcls.runs.folder import RunFolder
from cellcls.runs.plan import Plan, read_plan

_METHOD_ONLY = ("name", "views")
"""Settings of an evaluation that do not change the images it is made on."""


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
    names = _names(finished, planned)
    standings = [
        Standing(label=label, name=name, record=one, value=figure(one.metrics, chosen))
        for (label, name), one in zip(names, finished.values(), strict=True)
    ]
    within = {str(folder.relative_to(home)): one for folder, one in finished.items()} if home else {}
    return Comparison(
        by=chosen,
        standings=_ranked(standings, chosen),
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


def _names(folders: Mapping[Path, RunRecord], planned: Plan) -> list[tuple[str, str]]:
    """Return for each run a short name, no two alike, and the one it shares with other seeds: its variant or recipe."""
    shared = [planned.label(folder.name) or one.name for folder, one in folders.items()]
    seeded = [(name, one.metrics.seed) for name, one in zip(shared, folders.values(), strict=True)]
    labels = [f"{name} seed {seed}" if shared.count(name) > 1 else name for name, seed in seeded]
    twice = {seeded[at] for at in range(len(seeded)) if seeded.count(seeded[at]) > 1}
    labels = [
        folder.name if seed in twice else label for folder, label, seed in zip(folders, labels, seeded, strict=True)
    ]
    paths = [str(folder) if labels.count(label) > 1 else label for folder, label in zip(folders, labels, strict=True)]
    return list(zip(paths, shared, strict=True))


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


def _ranked(standings: Sequence[Standing], by: str) -> tuple[Standing, ...]:
    sign = 1 if lower_is_better(by) else -1
    best, *others = sorted(
        standings, key=lambda one: (one.value is None, sign * (one.value or 0.0), one.label.casefold())
    )
    evaluation = by.rpartition(".")[0]
    right = _right(best.record, evaluation)
    return (best, *(_against(one, best, right, evaluation) for one in others))


# --- pairing ----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Right:
    """Whether each image was named right."""

    index: NDArray[Any]
    """(n,) which images, ascending."""
    marks: NDArray[np.bool_]
    """(n, conditions)"""


def _right(record: RunRecord, evaluation: str) -> _Right | None:
    """Read who was named right. A corrupted evaluation has each image once a condition; raises ``DataError``."""
    path = RunFolder(record.folder).array("predictions", evaluation)
    if not path.is_file():
        return None
    index, label, probabilities = (_array(path, name) for name in ("index", "label", "probabilities"))
    condition = _array(path, "condition") if "condition" in npz.keys(path) else np.zeros(len(index), np.int64)
    conditions = int(condition.max(initial=0)) + 1
    order = np.lexsort((condition, index))
    images = index[order].reshape(-1, conditions) if len(index) % conditions == 0 else None
    if images is None or (images != images[:, :1]).any() or (np.diff(images[:, 0]) == 0).any():
        raise DataError(f"{path}: not every image once under every condition", "repeat the run")
    return _Right(images[:, 0], (probabilities.argmax(1) == label)[order].reshape(-1, conditions))


def _array(path: Path, name: str) -> NDArray[Any]:
    return npz.load(npz.member(path, name), limit=1 << 32)


def _against(one: Standing, best: Standing, best_right: _Right | None, evaluation: str) -> Standing:
    right = _right(one.record, evaluation)
    if right is None or best_right is None:
        return attrs.evolve(one, unpaired="no predictions were kept")
    if one.record.data.hash != best.record.data.hash or not one.record.data.hash:
        return attrs.evolve(one, unpaired="another data set")
    same = right.marks.shape[1] == best_right.marks.shape[1]
    if not same or _images(one.record, evaluation) != _images(best.record, evaluation):
        return attrs.evolve(one, unpaired="the images were made in another way")
    _, mine, others = np.intersect1d(right.index, best_right.index, assume_unique=True, return_indices=True)
    if not len(mine):
        return attrs.evolve(one, unpaired="no image in common")
    return attrs.evolve(one, against=_paired(right.marks[mine], best_right.marks[others]))


def _paired(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Paired | Repeated:
    return repeated(first, second) if first.shape[1] > 1 else paired(first, second)


def _images(record: RunRecord, evaluation: str) -> dict[str, Any]:
    """Return what a recipe says of an evaluation's images: their part, and how they are corrupted."""
    listed: list[dict[str, Any]] = record.settings.get("evaluate", [])
    said = next((one for one in listed if one.get("name") == evaluation), {"name": evaluation, "part": evaluation})
    return {key: value for key, value in said.items() if key not in _METHOD_ONLY}
