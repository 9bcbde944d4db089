"""Drift between two data sets: differences of image statistics, and a classifier two-sample test.

The test (Lopez-Paz and Oquab, ICLR 2017) trains a classifier to distinguish the data sets and evaluates it on held-out
images. Its area under the ROC curve is 0.5 if the sets do not differ and 1 if every image reveals its origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.wrong_labels import out_of_fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

_MAX_IMAGES = 5000
"""Images of each data set that are used; enough for an interval within 0.01 on either side."""
_MIN_IMAGES = 20
"""Distinct images that each data set must have for the classifier to be trained."""
_RESAMPLES = 500
_COVERAGE = 0.95


@attrs.frozen
class Shift:
    """Difference of one statistic."""

    name: str
    ours: float
    """Mean over our data set."""
    theirs: float
    effect: float
    """Cohen's d: their mean minus ours, over the pooled standard deviation; 0 if both are constant and equal."""


@attrs.frozen(kw_only=True)
class Drift:
    """Difference of two data sets."""

    shifts: tuple[Shift, ...]
    """All statistics, largest effect first."""
    auc: float | None
    """Out-of-fold area under the ROC curve of the classifier, 0..1. It and its interval are None if there are too few
    images."""
    low: float | None
    """Lower end of its 95% interval, from a bootstrap over the images."""
    high: float | None


def measure_drift(
    ours: Floats,
    theirs: Floats,
    names: Sequence[str],
    *,
    our_hashes: Sequence[str] | None = None,
    their_hashes: Sequence[str] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Drift:
    """Compare statistics (N, F) and (M, F), named by ``names`` (F,).

    The hashes keep copies in one fold, as an image in both data sets does not distinguish them. With fewer than 20
    distinct images in either, the area is None. Deterministic given ``seed``.
    """
    shifts = _shifts(np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64), names)
    rng = np.random.default_rng(seed)
    first, second = (rng.permutation(len(values))[:_MAX_IMAGES] for values in (ours, theirs))
    labels = np.repeat([0, 1], [len(first), len(second)])
    own = [str(index) if our_hashes is None else our_hashes[index] for index in first]
    other = [f"their {index}" if their_hashes is None else their_hashes[index] for index in second]
    if min(len(set(own)), len(set(other))) < _MIN_IMAGES:
        return Drift(shifts=shifts, auc=None, low=None, high=None)
    features = np.concatenate([ours[first], theirs[second]])
    scores = out_of_fold(features, labels, group_by_hash([*own, *other]), folds=folds, seed=seed)[:, 1]
    low, high = _interval(scores, labels, rng)
    return Drift(shifts=shifts, auc=roc_auc(scores, labels), low=low, high=high)


def roc_auc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the area under the ROC curve: how often a score (N,) of label 1 exceeds one of 0; ties count half."""
    ordered = np.sort(scores[labels == 0])
    ours = scores[labels == 1]
    below = np.searchsorted(ordered, ours, side="left") + np.searchsorted(ordered, ours, side="right")
    return float(below.sum() / (2 * len(ordered) * len(ours)))


def _interval(scores: NDArray[np.float64], labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[float, float]:
    """Return the bootstrap interval of the area, resampling each data set."""
    zeros, ones = scores[labels == 0], scores[labels == 1]
    fixed = np.repeat([0, 1], [len(zeros), len(ones)])
    areas = [
        roc_auc(np.concatenate([rng.choice(zeros, len(zeros)), rng.choice(ones, len(ones))]), fixed)
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(areas, [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2])
    return float(low), float(high)


def _shifts(ours: NDArray[np.float64], theirs: NDArray[np.float64], names: Sequence[str]) -> tuple[Shift, ...]:
    if not len(ours) or not len(theirs):
        return ()
    first, second = ours.mean(axis=0), theirs.mean(axis=0)
    freedom = max(len(ours) + len(theirs) - 2, 1)
    within = np.sqrt((((ours - first) ** 2).sum(axis=0) + ((theirs - second) ** 2).sum(axis=0)) / freedom)
    scale = np.maximum(np.abs(first), np.abs(second))
    effects = (second - first) / np.maximum(within, 1e-6 * scale + 1e-12)
    shifts = [Shift(*row) for row in zip(names, first.tolist(), second.tolist(), effects.tolist(), strict=True)]
    return tuple(sorted(shifts, key=lambda shift: -abs(shift.effect)))
