"""Stains as directions of optical density: what a dye takes out of red, green and blue light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_DENSITY = 0.345
"""0.15 to the base of ten, as Macenko et al. have it."""
_FEWEST = 50
_PERCENTILE = 1.0
_AT_MOST = 100_000


def optical_density(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return minus the natural logarithm of the light let through, per channel, of images (..., 3) uint8.

    Light is counted from 1 to 256 of 256, so that black has a finite density (5.5) and white 0.
    """
    return np.asarray(-np.log((images.astype(np.float64) + 1) / 256))


def stain_vectors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Estimate the two stains of images (N, H, W, 3): unit vectors (2, 3), the one that takes more red first.

    The plane of most variance of all stained pixels, and in it the outermost directions but for 1% on either side
    (Macenko et al., ISBI 2009). Nothing is assumed of the dyes, so it serves May-Gruenwald-Giemsa as well. Returns
    (0, 3) where there are fewer than 50 stained pixels.
    """
    density = optical_density(images).reshape(-1, 3)
    density = density[:: max(1, len(density) // _AT_MOST)]
    stained = density[(density > _LEAST_DENSITY).any(axis=1)]
    if len(stained) < _FEWEST:
        return np.zeros((0, 3))
    _, directions = np.linalg.eigh(stained.T @ stained)
    plane = directions[:, [2, 1]] * np.sign(directions[:, [2, 1]].sum(axis=0) + 1e-12)
    angles = np.arctan2(stained @ plane[:, 1], stained @ plane[:, 0])
    low, high = np.percentile(angles, [_PERCENTILE, 100 - _PERCENTILE])
    found = np.stack([plane @ [np.cos(angle), np.sin(angle)] for angle in (low, high)])
    found = np.clip(found, 0, None)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found[np.argsort(-found[:, 0])])
