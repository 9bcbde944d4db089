"""Where the cell is in an image, without a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def otsu_threshold(values: NDArray[np.uint8]) -> int:
    """Return the level (0..255) that parts ``values`` best: those at or below it are one side (Otsu, IEEE Trans.
    SMC 9, 1979). A constant input gives its own value."""
    counts = np.bincount(values.ravel(), minlength=256).astype(float)
    levels = np.arange(256)
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between = np.nan_to_num(between, nan=-1.0)
    return int(between.argmax()) if between.max() > 0 else int(values.ravel()[0])


def cell_mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return (H, W) bool: where a stained cell's nucleus is, by Otsu's threshold on green, which the stain takes most.

    ``image`` (H, W, 3) uint8. Red blood cells are paler in green than a nucleus and mostly stay outside.
    """
    green = image[..., 1]
    return green <= otsu_threshold(green)
