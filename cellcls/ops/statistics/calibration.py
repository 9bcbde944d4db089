"""Whether probabilities hold what they promise: calibration, temperature, and risk by coverage."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import attrs
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 15
COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
"""Shares of the images at which the risk is reported."""


@attrs.frozen(kw_only=True)
class Ranked:
    """Images from the surest prediction to the least sure; those equally sure share what they got right."""

    confidence: Floats
    """(N,) the probability of the predicted class."""
    right: Floats
    """(N,) 1 if the prediction is right, 0 if not; for ties the mean, so that the order of the images does not matter.
    """


def ranked(probabilities: NDArray[np.float32], labels: NDArray[np.int64]) -> Ranked:
    """Rank predictions (N, K) of images with ``labels`` (N,)."""
    confidence = probabilities.max(1).astype(np.float64)
    levels, group, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    right = np.bincount(group, weights=probabilities.argmax(1) == labels, minlength=len(levels)) / counts
    return Ranked(confidence=np.repeat(-levels, counts), right=np.repeat(right, counts))


def reliability(images: Ranked, bins: int = BINS) -> tuple[Floats, Floats, Floats]:
    """Return share, mean confidence and accuracy of each of ``bins`` bins with equally many images (fewer if there are
    fewer images), the surest first."""
    parts = [slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(len(images.right)), bins) if len(part)]
    share = np.array([(part.stop - part.start) / len(images.right) for part in parts])
    confidence, accuracy = (
        np.array([column[part].mean() for part in parts]) for column in (images.confidence, images.right)
    )
    return share, confidence, accuracy


def calibration_error(images: Ranked) -> float:
    """Return by how much confidence and accuracy differ on average over ``BINS`` bins of equally many images (Nixon et
    al., Measuring Calibration in Deep Learning, CVPR Workshops 2019)."""
    share, confidence, accuracy = reliability(images)
    return float((share * np.abs(confidence - accuracy)).sum())


def risk(images: Ranked) -> Floats:
    """Return the share of errors among the n surest predictions, for n = 1..N (N,)."""
    found: Floats = np.cumsum(1 - images.right) / np.arange(1, len(images.right) + 1)
    return found


def risk_coverage(images: Ranked, shares: Sequence[float] = COVERAGES) -> tuple[tuple[float, float], ...]:
    """Return the share of errors among each share of the images, the surest first, as (share, errors)."""
    found = risk(images)
    return tuple((share, float(found[max(1, ceil(share * len(found) - 1e-9)) - 1])) for share in shares)


def aurc(images: Ranked) -> float:
    """Return the area under the risk-coverage curve: the mean of ``risk`` (Geifman and El-Yaniv, NeurIPS 2017)."""
    return float(risk(images).mean())


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return what to divide logits (N, K) by so that the mean negative log-likelihood of ``labels`` (N,) is least (Guo
    et al., On Calibration of Modern Neural Networks, ICML 2017), between 1/20 and 20.

    The likelihood is concave in the inverse of the temperature, so bisection finds where its slope changes sign.
    """
    rows = logits.astype(np.float64)
    rows = rows - rows.max(1, keepdims=True)
    of_label = rows[np.arange(len(rows)), labels]
    low, high = -np.log(20.0), np.log(20.0)
    for _ in range(50):
        middle = (low + high) / 2
        weights = np.exp(rows * np.exp(-middle))
        expected = (weights * rows).sum(1) / weights.sum(1)
        if (expected - of_label).mean() > 0:  # too sure
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))
