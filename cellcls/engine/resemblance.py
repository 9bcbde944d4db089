"""Whether images look like those a network was trained on: their scale and their colours."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from cellcls.engine.images import Images
from cellcls.runs.records import TrainingImagesRecord

_log = logging.getLogger(__name__)

LOOKED_AT = 64
"""Images at most that are compared."""
_SCALE = 1.5
"""Ratio of the sides, either way, from which images are of another scale."""
_STANDARD_DEVIATIONS = 4.0
"""Distance of the mean colours, in standard deviations among the training images, from which it is another colour."""
_LEAST_DEVIATION = 0.02
"""What counts as the standard deviation of very even training images."""


def warn_if_unlike(trained: TrainingImagesRecord | None, images: Images, *, cropped: bool = False) -> None:
    """Log how images differ from those a network was trained on. ``cropped``: a centre crop was asked for, so that
    their stored sizes say nothing."""
    found = images.describe(np.arange(len(images.source)), LOOKED_AT)
    if trained is None or found is None:
        return
    if not cropped:
        for difference in of_scale(trained, found):
            _log.warning("%s", difference)
    for difference in of_colour(trained, found):
        _log.warning("%s", difference)


def of_scale(trained: TrainingImagesRecord, found: TrainingImagesRecord) -> Iterator[str]:
    """Yield what their sizes in pixels tell."""
    ratio = float(np.sqrt(found.height[1] * found.width[1] / (trained.height[1] * trained.width[1])))
    if 1 / _SCALE < ratio < _SCALE:
        return
    sizes = f"{found.height[1]:.0f} x {found.width[1]:.0f} pixels, the training images {trained.height[1]:.0f} x "
    sizes += f"{trained.width[1]:.0f}"
    if ratio > 1:
        yield (
            f"the images are {sizes}: if they show more around the cell, the network sees it too small and names it "
            "wrongly; --center-crop PIXELS cuts out their middle first"
        )
    else:
        yield f"the images are {sizes}: enlarged, they are less sharp than any that the network was trained on"


def of_colour(trained: TrainingImagesRecord, found: TrainingImagesRecord) -> Iterator[str]:
    """Yield what their mean colours tell."""
    deviation = np.maximum(trained.std, _LEAST_DEVIATION)
    if np.max(np.abs(np.subtract(found.mean, trained.mean)) / deviation) > _STANDARD_DEVIATIONS:
        yield (
            f"the mean colour of the images is {_rgb(found)}, that of the training images {_rgb(trained)} (red, green, "
            "blue, 0 to 1): another stain, lamp or camera; measure on labelled images of this kind first"
        )


def _rgb(record: TrainingImagesRecord) -> str:
    return " ".join(f"{value:.2f}" for value in record.mean)
