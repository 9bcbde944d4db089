"""What a network sees of a picture: the section ``[input]``, kept with the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cellcls.api.component import param, section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@section
class Input:
    """What the network sees of a picture: the same in training, evaluation, prediction and export, for files and
    arrays."""

    size: int = param(default=96, ge=8, le=1024, help="Side of the square input in pixels.")
    interpolation: Literal["bilinear", "bicubic", "nearest"] = param(
        default="bilinear", help="How images of another size are resized."
    )
    fit: Literal["crop", "stretch", "pad"] = param(
        default="crop", help="How to make an image square: crop its centre, stretch it, or pad it by reflection."
    )
    center_crop: int | None = param(
        default=None,
        ge=8,
        help="Side in pixels of a square cut out of the middle first, for frames wider than a cell. Default: none.",
    )

    def keeps(self, height: int, width: int) -> bool:
        """Return whether ``prepare`` leaves images of a height and width in pixels as they are."""
        return height == width == self.size and (self.center_crop is None or self.center_crop >= self.size)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a decoded image (H, W, 3), RGB, as the network's input (``size``, ``size``, 3)."""
        from cellcls.ops.imaging.fitting import fit

        return fit(image, self.size, self.interpolation, self.fit, self.center_crop)
