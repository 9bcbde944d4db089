"""A model of the features of known images, and how far those of another image are from it.

Each class is a normal distribution around its own mean, all with the same covariance, in D directions as it is and
equal in all others (probabilistic PCA: Tipping and Bishop, JRSS B 61, 1999). The distance is Mahalanobis' to the
nearest class (Lee et al., NeurIPS 2018); it grows within the subspace of known images and, faster, out of it (Wang et
al., ViM, CVPR 2022). Features are scaled to length 1 first (Mueller and Hein, Mahalanobis++, ICML 2025): a network
answers a picture of nothing it knows with short features, which would be near to everything.
"""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

DIRECTIONS = 64
"""In which the covariance is estimated, at most."""
_LEAST_VARIANCE = 1e-9
"""Of features of length 1: so that a direction without any does not make every distance infinite."""


@attrs.frozen(kw_only=True, eq=False)
class FeatureModel:
    """What features (C,) of known images are like, for M classes and D directions."""

    means: Floats32
    """(M, C) of features of length 1."""
    basis: Floats32
    """(C, D), orthonormal columns."""
    variances: Floats32
    """(D + 1,) in the directions of ``basis``, and in any other."""
    threshold: Floats32
    """(1,) the distance up to which an image counts as known."""

    def distance(self, features: Floats32) -> Floats:
        """Return the Mahalanobis distance of features (N, C) to the nearest class, (N,)."""
        rows, basis, means = _unit(features), self.basis.astype(np.float64), self.means.astype(np.float64)
        of_class = [self._squared(rows - mean, basis) for mean in means]
        found: Floats = np.sqrt(np.min(of_class, axis=0))
        return found

    def in_thresholds(self, features: Floats32) -> Floats32:
        """Return the distance as a multiple of the threshold: above 1, an image is unlike the known ones."""
        return (self.distance(features) / self.threshold).astype(np.float32)

    def with_threshold(self, features: Floats32, share: float) -> FeatureModel:
        """Return the model with the least threshold that leaves at most ``share`` of these known images above it."""
        ordered = np.sort(self.in_thresholds(features) * self.threshold)
        last = len(ordered) - 1 - int(share * len(ordered) + 1e-9)
        return attrs.evolve(self, threshold=np.nextafter(ordered[last : last + 1], np.float32(np.inf)))

    def _squared(self, centred: Floats, basis: Floats) -> Floats:
        squares = (centred @ basis) ** 2
        outside = np.maximum((centred**2).sum(1) - squares.sum(1), 0)
        found: Floats = (squares / self.variances[:-1]).sum(1) + outside / self.variances[-1]
        return found


def fit(features: Floats32, labels: NDArray[np.int64]) -> FeatureModel:
    """Fit a model to features (N, C) of known images with ``labels`` (N,); its threshold is 1."""
    rows = _unit(features)
    classes, members = np.unique(labels, return_inverse=True)
    means = np.stack([rows[members == number].mean(0) for number in range(len(classes))])
    within = rows - means[members]
    variances, axes = np.linalg.eigh(within.T @ within / len(rows))
    size = min(DIRECTIONS, max(1, rows.shape[1] - 1))
    rest = variances[:-size].mean() if len(variances) > size else 0.0
    kept = np.append(variances[::-1][:size], rest)
    return FeatureModel(
        means=means.astype(np.float32),
        basis=np.ascontiguousarray(axes[:, ::-1][:, :size], np.float32),
        variances=np.maximum(kept, _LEAST_VARIANCE).astype(np.float32),
        threshold=np.ones(1, np.float32),
    )


def _unit(features: Floats32) -> Floats:
    rows = features.astype(np.float64)
    scaled: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return scaled
