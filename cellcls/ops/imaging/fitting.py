"""Makes a picture of any size and shape the square that a network sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Fit = Literal["crop", "stretch", "pad"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]


def fit(
    image: NDArray[np.uint8],
    size: int,
    interpolation: Interpolation = "bilinear",
    how: Fit = "crop",
    center_crop: int | None = None,
) -> NDArray[np.uint8]:
    """Resize an image (H, W, 3) uint8 to (``size``, ``size``, 3), by Pillow's filters.

    ``center_crop``: side in pixels of a square that is first cut out of the middle (clipped to the image). ``how``:
    ``crop`` takes the largest central square, ``stretch`` changes the aspect ratio, ``pad`` keeps everything and pads
    by reflection. All interpolations but ``nearest`` apply antialiasing when downsampling.

    The exported ``model.py`` contains the source of this function: it uses numpy and Pillow only.
    """
    height, width = image.shape[:2]
    if center_crop is not None and center_crop < max(height, width):
        tall, wide = min(center_crop, height), min(center_crop, width)
        top, left = (height - tall) // 2, (width - wide) // 2
        image = image[top : top + tall, left : left + wide]
        height, width = tall, wide
    box = (0, 0, width, height)
    target = (size, size)
    if how == "crop":
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    elif how == "pad":
        scale = size / max(height, width)
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
    if (box, target) != ((0, 0, width, height), (width, height)):
        from PIL import Image

        resampling = Image.Resampling[interpolation.upper()]
        image = np.array(Image.fromarray(np.ascontiguousarray(image)).resize(target, resampling, box=box))
    padding = (size - target[1], size - target[0])
    if any(padding):
        around = [(total // 2, total - total // 2) for total in padding]
        image = np.pad(image, (*around, (0, 0)), mode="symmetric")
    return image
