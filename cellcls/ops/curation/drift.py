"""How two sets of images differ: statistic by statistic, and whether a classifier can tell them apart.

A two-sample test by a classifier (Lopez-Paz and Oquab, ICLR 2017): fitted to tell the sets apart, judged on images it
did not see. The area under its curve is 0.5 where the sets are alike and 1 where each image shows its origin.
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

_AT_MOST = 5000
"""Images of each set that are looked at: the interval is then narrower than a hundredth on either side."""
_FEWEST = 20
"""Different images a set needs, or the classifier would have nothing to learn from."""
_RESAMPLES = 500
_COVERAGE = 0.95


@attrs.frozen
class Shift:
    """How one statistic differs."""

    name: str
    ours: float
    """Mean over our set."""
    theirs: float
    effect: float
    """Cohen's d: their mean less ours, over the standard deviation within the sets; 0 where both are constant and
    equal."""


@attrs.frozen(kw_only=True)
class Drift:
    """How two sets differ."""

    shifts: tuple[Shift, ...]
    """Every statistic, the largest effect first."""
    auc: float | None
    """Area under the curve of the classifier that tells the sets apart, 0..1, out of fold; None as the ends of its
    interval where the images are too few to tell."""
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

    The hashes keep copies in one fold: a picture that both sets hold says nothing about either. Of a set with fewer
    than 20 different images nothing can be said: the area is None. Deterministic under ``seed``.
    """
    shifts = _shifts(np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64), names)
    rng = np.random.default_rng(seed)
    first, second = (rng.permutation(len(values))[:_AT_MOST] for values in (ours, theirs))
    labels = np.repeat([0, 1], [len(first), len(second)])
    own = [str(index) if our_hashes is None else our_hashes[index] for index in first]
    other = [f"their {index}" if their_hashes is None else their_hashes[index] for index in second]
    if min(len(set(own)), len(set(other))) < _FEWEST:
        return Drift(shifts=shifts, auc=None, low=None, high=None)
    features = np.concatenate([ours[first], theirs[second]])
    told = out_of_fold(features, labels, group_by_hash([*own, *other]), folds=folds, seed=seed)[:, 1]
    low, high = _interval(told, labels, rng)
    return Drift(shifts=shifts, auc=roc_auc(told, labels), low=low, high=high)


def roc_auc(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the area under the curve: how often a score (N,) of label 1 is above one of label 0; ties
    count half."""
    ordered = np.sort(scores[labels == 0])
    ours = scores[labels == 1]
    below = np.searchsorted(ordered, ours, side="left") + np.searchsorted(ordered, ours, side="right")
    return float(below.sum() / (2 * len(ordered) * len(ours)))


def _interval(scores: NDArray[np.float64], labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[float, float]:
    """Return the percentiles of the area over resamples of either set."""
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
