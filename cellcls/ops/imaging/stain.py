"""Stains as directions of optical density: what a dye takes out of red, green and blue light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DARKEST = 1 / 256
"""Light let through is counted from here, so that black has a finite density: 5.5."""
STAINED = 0.345
"""Density that a stained pixel has in one channel at least: 0.15 to the base of ten, as Macenko et al. have it."""
FEWEST = 50
"""Stained pixels without which there is nothing to estimate from."""
OUTERMOST = 0.01
"""Share of the stained pixels beyond the stains' directions on either side, for noise (Macenko et al.)."""
FULL = 0.99
"""Share of a stain's pixels that hold at most its full amount (Macenko et al.)."""
_AT_MOST = 100_000


def optical_density(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return minus the natural logarithm of the light let through, per channel, of images (..., 3) uint8: 0..5.5."""
    return np.asarray(-np.log(np.maximum(images / 255, DARKEST)))


def stain_vectors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Estimate the two stains of images (N, H, W, 3): unit vectors (2, 3), the one that takes more red first.

    The plane of most variance of all stained pixels, and in it the outermost directions but for 1% on either side
    (Macenko et al., A method for normalizing histology slides for quantitative analysis, ISBI 2009). Nothing is assumed
    of the dyes, so it serves May-Gruenwald-Giemsa as well; but that some pixels, two in a hundred, hold one stain
    almost alone. Where all are mixed, the purest mixture is what is found. Returns (0, 3) where there are fewer than 50
    stained pixels.
    """
    pixels = images.reshape(-1, 3)
    density = optical_density(pixels[:: max(1, len(pixels) // _AT_MOST)])
    stained = density[(density > STAINED).any(axis=1)]
    if len(stained) < FEWEST:
        return np.zeros((0, 3))
    _, directions = np.linalg.eigh(stained.T @ stained)
    plane = directions[:, [2, 1]] * np.sign(directions[:, [2, 1]].sum(axis=0) + 1e-12)
    angles = np.arctan2(stained @ plane[:, 1], stained @ plane[:, 0])
    found = np.stack([plane @ [np.cos(one), np.sin(one)] for one in np.quantile(angles, [OUTERMOST, 1 - OUTERMOST])])
    found = np.clip(found, 0, None)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found[np.argsort(-found[:, 0])])


def stain_amounts(images: NDArray[np.uint8], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much of two stains (2, 3) images (N, H, W, 3) typically hold at most: (2,), in units of the vectors.

    Of each image the 99th percentile of a stain over the pixels that hold more of it than of the other (Macenko et al.,
    section 2) and enough to be stained by it alone, and of these the median over the images that have 50 such pixels;
    0 where none has.
    """
    unmixing = np.linalg.pinv(vectors)
    found: tuple[list[float], list[float]] = ([], [])
    for image in images:
        amounts = optical_density(image).reshape(-1, 3) @ unmixing
        for stain in (0, 1):
            own = amounts[:, stain]
            own = own[(own >= amounts[:, 1 - stain]) & (own > STAINED)]
            if len(own) >= FEWEST:
                found[stain].append(float(np.quantile(own, FULL)))
    return np.array([np.median(one) if one else 0.0 for one in found])
