"""Figures of a classifier from its confusion matrix, with 95% intervals.

All figures are functions of the matrix, so a bootstrap resample of the images is one draw of a multinomial over its
cells (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13), and 2,000 of them cost milliseconds.
Where every resample agrees (all right, all wrong, or each class one of the two) the bootstrap has no width: there
Wilson's interval is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
Z95 = 1.959963984540054
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")

Floats = NDArray[np.float64]


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


def summary(
    confusion: NDArray[np.int64], class_names: Sequence[str], *, repeats: int = 1, seed: int = 0
) -> dict[str, Any]:
    """Return every figure of a confusion matrix (K, K) with its interval, as JSON data.

    ``repeats``: how often each image was counted (under as many corruptions, say); ``n`` and the intervals count it
    once, as its copies are not independent.

    Averages over classes take the classes that are present among the true labels. ``seed`` is the bootstrap's.
    """
    total = int(confusion.sum())
    n = total // repeats
    rng = np.random.default_rng(seed)
    cells = rng.multinomial(n, confusion.ravel() / max(total, 1), size=RESAMPLES).reshape(-1, *confusion.shape)
    measured, resampled = points(confusion), _figures(cells.astype(float))
    trials = _effective_trials(confusion)
    found: dict[str, Any] = {"n": n}
    for name in FIGURES:
        value = measured[name]
        found[name] = value
        found[f"{name}_ci"] = list(_interval(value, resampled[name], trials[name] / repeats))
    return found | {
        "classes": list(class_names),
        "per_class": {name: _of_class(confusion, number, repeats) for number, name in enumerate(class_names)},
        "confusion": confusion.tolist(),
    }


def points(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Return the figures of a confusion matrix (K, K) without intervals."""
    return {name: float(values[0]) for name, values in _figures(confusion[None].astype(float)).items()}


def _figures(matrices: Floats) -> dict[str, Floats]:
    """Return the figures of many matrices (R, K, K), each (R,)."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, predicted, n = matrices.sum(2), matrices.sum(1), matrices.sum((1, 2))
    present = true > 0
    classes = np.maximum(present.sum(1), 1)
    recall = np.divide(right, true, out=np.zeros_like(right), where=present)
    both = true + predicted
    f1 = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    return {
        "accuracy": right.sum(1) / np.maximum(n, 1),
        "balanced_accuracy": recall.sum(1) / classes,
        "macro_f1": (f1 * present).sum(1) / classes,
    }


def _effective_trials(confusion: NDArray[np.int64]) -> dict[str, float]:
    """Return how many trials Wilson's interval counts: all images, or as many as give a mean over the classes its
    variance (K^2 / sum of 1/n_c)."""
    support = confusion.sum(1)
    support = support[support > 0]
    over_classes = len(support) ** 2 / float((1 / support).sum()) if len(support) else 0.0
    return {"accuracy": float(confusion.sum()), "balanced_accuracy": over_classes, "macro_f1": over_classes}


def _interval(value: float, resampled: Floats, trials: float) -> tuple[float, float]:
    low, high = map(float, np.quantile(resampled, [0.025, 0.975]))
    return (low, high) if high - low > 1e-12 else wilson(value * trials, trials)


def _of_class(confusion: NDArray[np.int64], number: int, repeats: int) -> dict[str, Any]:
    right, support = int(confusion[number, number]), int(confusion[number].sum())
    if not support:
        return {"precision": None, "recall": None, "f1": None, "support": 0, "recall_ci": None}
    predicted = int(confusion[:, number].sum())
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / support,
        "f1": 2 * right / (support + predicted),
        "support": support // repeats,
        "recall_ci": list(wilson(right / repeats, support / repeats)),
    }
