"""Metrics of a classifier from its confusion matrix, with 95% intervals.

All metrics are functions of the matrix, so a bootstrap resample of the images is one draw of a multinomial over its
cells (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13), and 2,000 of them take milliseconds.
If all resamples agree (each class entirely right or entirely wrong), the bootstrap interval has no width; then
Wilson's interval is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.ops.statistics.table import METRICS, ClassScore, Interval, Metric, Predicted

RESAMPLES = 2000
Z95 = 1.959963984540054

Floats = NDArray[np.float64]


@attrs.frozen(kw_only=True)
class Summary:
    """The metrics of a confusion matrix."""

    n: int
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def confusion_matrix(labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return counts (K, K): rows are the true classes, columns the predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson, JASA 22, 1927). No trials: (0, 1)."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95 * Z95
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    # at the ends the bound is exact but for rounding
    return (0.0 if share <= 0 else float(centre - half)), (1.0 if share >= 1 else float(centre + half))


def summary(confusion: NDArray[np.int64], *, repeats: int = 1, seed: int = 0) -> Summary:
    """Return every metric of a confusion matrix (K, K) with its interval.

    ``repeats``: how often each image is counted (e.g. once per corruption); ``n`` and the intervals count it
    once, as its copies are not independent. ``seed``: of the bootstrap.
    """
    total = int(confusion.sum())
    n = total // repeats
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(n, confusion.ravel() / max(total, 1), size=RESAMPLES).reshape(-1, *confusion.shape)
    values, resampled = points(confusion), _of_matrices(cells.astype(float))
    return Summary(
        n=n,
        values=values,
        intervals={
            name: _interval(value, resampled[name], _effective_trials(confusion, METRICS[name]) / repeats)
            for name, value in values.items()
        },
        per_class=tuple(_of_class(confusion, number, repeats) for number in range(len(confusion))),
        confusion=tuple(map(tuple, confusion.tolist())),
    )


def points(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Return the metrics of a confusion matrix (K, K) without intervals."""
    return {name: float(values[0]) for name, values in _of_matrices(confusion[None].astype(float)).items()}


def of_predictions(predictions: Sequence[Predicted]) -> dict[str, float]:
    """Return the metrics that need more than a confusion matrix, of the same images under several conditions: of all
    predictions together or the mean over conditions. Metrics that need a loss are omitted if there is none."""
    found = {}
    probabilities, label = pooled(predictions)
    together = _Pooled(label=label, probabilities=probabilities)
    for name, metric in METRICS.items():
        if metric.of_predictions is None or (metric.needs_loss and predictions[0].loss is None):
            continue
        taken: Sequence[Predicted] = [together] if metric.pooled else predictions
        found[name] = float(np.mean([metric.of_predictions(predicted) for predicted in taken]))
    return found


def pooled(predictions: Sequence[Predicted]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return probabilities (N, K) and labels (N,) under all conditions together."""
    return np.concatenate([each.probabilities for each in predictions]), np.concatenate(
        [each.label for each in predictions]
    )


@attrs.frozen(kw_only=True)
class _Pooled:
    """Predictions under all conditions together."""

    label: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    loss: None = None


def _of_matrices(matrices: Floats) -> dict[str, Floats]:
    """Return the metrics of many matrices (R, K, K), each (R,)."""
    return {name: metric.of_confusion(matrices) for name, metric in METRICS.items() if metric.of_confusion}


def _effective_trials(confusion: NDArray[np.int64], metric: Metric) -> float:
    """Return the number of trials for Wilson's interval: of images, or for a mean over classes that with the same
    variance (K^2 / sum of 1/n_c)."""
    if not metric.mean_over_classes:
        return float(confusion.sum())
    support = confusion.sum(1)
    support = support[support > 0]
    return len(support) ** 2 / float((1 / support).sum()) if len(support) else 0.0


def _interval(value: float, resampled: Floats, trials: float) -> Interval:
    low, high = map(float, np.quantile(resampled, [0.025, 0.975]))
    return (low, high) if high - low > 1e-12 else wilson(value * trials, trials)


def _of_class(confusion: NDArray[np.int64], number: int, repeats: int) -> ClassScore:
    right, support = int(confusion[number, number]), int(confusion[number].sum())
    if not support:
        return ClassScore()
    predicted = int(confusion[:, number].sum())
    return ClassScore(
        precision=right / predicted if predicted else 0.0,
        recall=right / support,
        f1=2 * right / (support + predicted),
        support=support // repeats,
        recall_ci=wilson(right / repeats, support / repeats),
    )
