"""Segmentation of the cell in an image, without a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def otsu_threshold(values: NDArray[np.uint8]) -> int:
    """Return the level (0..255) that best separates ``values`` at or below it from those above (Otsu, IEEE Trans.
    SMC 9, 1979). For constant input, it is that value."""
    counts = np.bincount(values.ravel(), minlength=256).astype(float)
    levels = np.arange(256)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between = np.nan_to_num(between, nan=-1.0)
    return int(between.argmax()) if between.max() > 0 else int(values.ravel()[0])


MIDDLE = 0.125
"""The cell is assumed to extend to within this fraction of the side from the centre, as in cropped cells."""


def cell_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the mask (H, W) of the central cell, by Otsu's threshold on green, which the stain absorbs most.

    ``image`` (H, W, 3) uint8. Only connected regions that reach the centre are included (all, if none does), as red
    blood cells next to a pale platelet are below the threshold, too. In cells with pale cytoplasm it is the nucleus.
    """
    green = image[..., 1]
    dark: NDArray[np.bool_] = green <= otsu_threshold(green)
    y, x = (np.linspace(-0.5, 0.5, side) for side in dark.shape)
    seeds = dark & (y[:, None] ** 2 + x**2 <= MIDDLE**2)
    return _grown(seeds, dark) if seeds.any() else dark


def _grown(seeds: NDArray[np.bool_], within: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the 4-connected regions of ``within`` that contain a seed."""
    grown = np.pad(seeds, 1)
    while True:
        sides = grown[:-2, 1:-1] | grown[2:, 1:-1] | grown[1:-1, :-2] | grown[1:-1, 2:]
        reached = (sides | grown[1:-1, 1:-1]) & within
        if np.array_equal(reached, grown[1:-1, 1:-1]):
            return reached
        grown[1:-1, 1:-1] = reached
