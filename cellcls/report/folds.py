"""Cross-validation: the predictions of all folds together, each image by the run that was not trained on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from pathlib import Path
from statistics import NormalDist, mean, stdev
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from cellcls.ops.statistics.metrics import wilson
from cellcls.ops.storage import npz
from cellcls.ops.text import csv_text
from cellcls.report.compare import RunComparison, Standing
from cellcls.report.numbers import count, percent
from cellcls.report.tables import Row
from cellcls.runs.folder import RunFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "out_of_fold.csv"
"""The predictions of all folds, beside the page of a comparison."""
NOTE = (
    "Out of fold: each image once, by the run that was not trained on it; its interval is over images (Wilson), that "
    "of the mean over folds (Student). Images of one patient are alike: for new patients the first is too narrow."
)
_EVALUATION = "test"
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Student's 97.5% quantile with 1 to 9 degrees of freedom."""


@attrs.frozen(kw_only=True)
class Folds:
    """The runs of a complete cross-validation, in the order of their folds."""

    label: str
    runs: tuple[Standing, ...]

    @property
    def tested(self) -> int:
        """The number of images that were tested."""
        return sum(sum(map(sum, confusion)) for confusion in self._confusions)

    @property
    def never_tested(self) -> int:
        """The number of images that are in train in every fold."""
        counts = self.runs[0].record.data.counts.get("after", {})
        return max(sum(counts.values()) - self.tested, 0)

    @property
    def accuracy(self) -> float:
        """Share of the tested images that are right."""
        return self._right / max(self.tested, 1)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy, over images."""
        return wilson(self._right, self.tested)

    @property
    def by_fold(self) -> tuple[float, ...]:
        """The accuracy of each fold."""
        return tuple(run.record.metrics.evaluations[_EVALUATION].accuracy for run in self.runs)

    @property
    def interval_over_folds(self) -> tuple[float, float]:
        """The 95% interval of the mean of ``by_fold``, within 0..1."""
        half = _t95(len(self.runs) - 1) * stdev(self.by_fold) / sqrt(len(self.runs))
        return max(0.0, mean(self.by_fold) - half), min(1.0, mean(self.by_fold) + half)

    @property
    def _confusions(self) -> list[tuple[tuple[int, ...], ...]]:
        return [run.record.metrics.evaluations[_EVALUATION].confusion for run in self.runs]

    @property
    def _right(self) -> int:
        return sum(row[number] for confusion in self._confusions for number, row in enumerate(confusion))


def _t95(freedom: int) -> float:
    """Return Student's 97.5% quantile (from 10 degrees of freedom, Cornish and Fisher's expansion)."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def cross_validations(comparison: RunComparison) -> list[Folds]:
    """Return the cross-validations whose folds are all there, by seed."""
    found: dict[tuple[str, int | None, int], dict[int, Standing]] = {}
    for standing in comparison.standings:
        split = standing.record.settings.get("split", {})
        if split.get("folds") and _EVALUATION in standing.record.metrics.evaluations:
            key = (standing.name, standing.record.metrics.seed, split["folds"])
            found.setdefault(key, {})[split["fold"]] = standing
    several = {key[0] for key in found if sum(other[0] == key[0] for other in found) > 1}
    return [
        Folds(
            label=f"{name} seed {seed}" if name in several else name, runs=tuple(run for _, run in sorted(runs.items()))
        )
        for (name, seed, folds), runs in found.items()
        if sorted(runs) == list(range(1, folds + 1))
    ]


def rows(comparison: RunComparison) -> list[Row]:
    """Return a row for each cross-validation."""
    return [
        {
            "recipe": folds.label,
            "folds": count(len(folds.runs)),
            "images": count(folds.tested),
            "never tested": count(folds.never_tested),
            "accuracy out of fold": _with(folds.accuracy, folds.interval),
            "mean over folds": _with(mean(folds.by_fold), folds.interval_over_folds),
        }
        for folds in cross_validations(comparison)
    ]


def _with(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"


def out_of_fold(found: Sequence[Folds]) -> str:
    """Return the predictions of cross-validations as CSV, sorted by image."""
    rows: list[tuple[object, ...]] = [("recipe", "index", "file", "fold", "label", "predicted", "probability")]
    for folds in found:
        lines = [line for number, run in enumerate(folds.runs, 1) for line in _lines(folds.label, number, run)]
        lines.sort(key=lambda line: line[1])
        rows += lines
    return csv_text(rows)


def _lines(label: str, fold: int, run: Standing) -> Iterator[tuple[str, int, str, int, str, str, str]]:
    path: Path = RunFolder(run.record.folder).array("predictions", _EVALUATION)
    if not path.is_file():
        return
    index, true, shares = _array(path, "index"), _array(path, "label"), _array(path, "probabilities")
    classes, names = run.record.classes, run.record.data.names
    predicted = np.argmax(shares, 1)
    for row, image in enumerate(index.tolist()):
        file = "" if names is None else names[image]
        said = int(predicted[row])
        yield (
            label,
            image,
            file,
            fold,
            classes[int(true[row])],
            classes[said],
            f"{shares[row, said]:.4f}",
        )


def _array(path: Path, name: str) -> NDArray[Any]:
    return npz.load(npz.member(path, name), limit=1 << 32)
