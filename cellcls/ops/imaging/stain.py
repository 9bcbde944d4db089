"""Stains as directions of optical density: the absorption of red, green and blue light by a dye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DARKEST = 1 / 256
"""Minimum transmittance, so that black has a finite density of 5.5."""
STAINED = 0.345
"""Minimum density of a stained pixel in at least one channel: 0.15 to base 10, as in Macenko et al."""
MIN_PIXELS = 50
"""Minimum number of stained pixels to estimate from."""
ANGLE_QUANTILE = 0.01
"""Share of the stained pixels outside the directions of the stains on either side, as noise (Macenko et al.)."""
AMOUNT_QUANTILE = 0.99
"""Quantile of the amount over the pixels of a stain that counts as its maximum (Macenko et al.)."""
_MAX_PIXELS = 100_000


def optical_density(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the negative natural logarithm of transmittance per channel, 0..5.5, of images (..., 3) uint8."""
    return np.asarray(-np.log(np.maximum(images / 255, DARKEST)))


def stain_vectors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Estimate the two stains of images (N, H, W, 3): unit vectors (2, 3), the one that absorbs more red first.

    These are the extreme directions, except for 1% on either side, in the plane of maximum variance of all stained
    pixels (Macenko et al., A method for normalizing histology slides for quantitative analysis, ISBI 2009). The method
    makes no assumption about the dyes, so it also works for May-Gruenwald-Giemsa, but requires about 2% of the pixels
    to have almost a single stain; otherwise it returns the purest mixtures. Returns (0, 3) if there are fewer than 50
    stained pixels.
    """
    pixels = images.reshape(-1, 3)
    density = optical_density(pixels[:: max(1, len(pixels) // _MAX_PIXELS)])
    stained = density[(density > STAINED).any(axis=1)]
    if len(stained) < MIN_PIXELS:
        return np.zeros((0, 3))
    _, directions = np.linalg.eigh(stained.T @ stained)
    plane = directions[:, [2, 1]] * np.sign(directions[:, [2, 1]].sum(axis=0) + 1e-12)
    angles = np.arctan2(stained @ plane[:, 1], stained @ plane[:, 0])
    extremes = np.quantile(angles, [ANGLE_QUANTILE, 1 - ANGLE_QUANTILE])
    vectors = np.stack([plane @ [np.cos(angle), np.sin(angle)] for angle in extremes])
    vectors = np.clip(vectors, 0, None)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors[np.argsort(-vectors[:, 0])])


def stain_amounts(images: NDArray[np.uint8], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the typical maximum amounts (2,) of two stains (2, 3) in images (N, H, W, 3), in units of the vectors.

    For each image, the 99th percentile of a stain over the pixels in which it dominates (Macenko et al., section 2) and
    exceeds the density of a stained pixel; then the median over the images with at least 50 such pixels, 0 if there are
    none.
    """
    unmixing = np.linalg.pinv(vectors)
    maxima: tuple[list[float], list[float]] = ([], [])
    for image in images:
        amounts = optical_density(image).reshape(-1, 3) @ unmixing
        for stain in (0, 1):
            own = amounts[:, stain]
            own = own[(own >= amounts[:, 1 - stain]) & (own > STAINED)]
            if len(own) >= MIN_PIXELS:
                maxima[stain].append(float(np.quantile(own, AMOUNT_QUANTILE)))
    return np.array([np.median(values) if values else 0.0 for values in maxima])
