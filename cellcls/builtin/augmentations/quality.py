"""Augmentations of the picture's quality; they act on whole images, so each is a pass of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcls.api import Augmentation, Batch, component, param
from cellcls.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor


@component("clahe")
class Clahe(Augmentation):
    """Contrast-limited adaptive histogram equalisation of luma (Zuiderveld, in Graphics Gems IV, 1994)."""

    clip_limit: float = param(
        default=2.0, ge=1, help="Most a bin may hold, in mean counts of a bin; at least one pixel."
    )
    tiles: int = param(default=8, ge=1, le=64, help="Number of tiles along each side; must divide the image's size.")

    def build(self, *, size: int) -> Batch:
        """Return the equalisation. Raises ``RecipeError`` where ``tiles`` does not divide ``size``."""
        if size % self.tiles or size // self.tiles < 2:
            fitting = [tiles for tiles in range(1, min(size // 2, 64) + 1) if size % tiles == 0]
            raise RecipeError(
                f"augmentation clahe: {self.tiles} x {self.tiles} tiles do not fit images of {size} x {size} pixels",
                f"tiles must divide {size} and be at least 2 pixels wide: {', '.join(map(str, fitting))}",
            )
        from cellcls.ops.imaging.clahe import clahe

        def apply(images: Tensor, targets: Tensor, _draws: Tensor) -> tuple[Tensor, Tensor]:
            return clahe(images, self.clip_limit, self.tiles), targets

        return Batch(draws=0, apply=apply)


@component("downscale")
class Downscale(Augmentation):
    """Loses resolution: shrinks with antialiasing and enlarges bilinearly, back to the old size."""

    min_scale: float = param(default=0.5, gt=0, le=1, help="Smallest scale.")
    max_scale: float = param(default=0.9, gt=0, le=1, help="Largest scale.")

    def build(self, *, size: int) -> Batch:
        """Return the loss of resolution. Raises ``RecipeError`` for an empty range or less than one pixel."""
        if self.min_scale > self.max_scale:
            raise RecipeError(
                f"augmentation downscale: min_scale {self.min_scale} is above max_scale {self.max_scale}",
                "swap the two, or make them equal for one scale",
            )
        if round(size * self.min_scale) < 1:
            raise RecipeError(
                f"augmentation downscale: at min_scale {self.min_scale} nothing is left of {size} pixels",
                f"use min_scale = {1 / size:.3f} or more",
            )
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.resize import lose_resolution

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            return lose_resolution(images, between(draws[:, 0], self.min_scale, self.max_scale)), targets

        return Batch(draws=1, apply=apply)


@component("blur")
class Blur(Augmentation):
    """Gaussian blur; the standard deviation follows from the kernel's size as in OpenCV."""

    min_kernel: int = param(default=3, ge=1, le=31, help="Smallest kernel in pixels, odd; 1 changes nothing.")
    max_kernel: int = param(default=5, ge=1, le=31, help="Largest kernel in pixels, odd.")

    def build(self, *, size: int) -> Batch:
        """Return the blur, each odd kernel as likely. Raises ``RecipeError`` for even, swapped or too large kernels."""
        sizes = f"{self.min_kernel} to {self.max_kernel}"
        if self.min_kernel % 2 == 0 or self.max_kernel % 2 == 0 or self.min_kernel > self.max_kernel:
            raise RecipeError(f"augmentation blur: kernels {sizes} are not a range of odd sizes", "for example 3 to 5")
        if self.max_kernel // 2 >= size:
            raise RecipeError(
                f"augmentation blur: kernels {sizes} do not fit images of {size} x {size} pixels",
                f"use max_kernel = {2 * size - 1} or less",
            )
        from cellcls.ops.imaging.filters import gaussian_blur

        count = (self.max_kernel - self.min_kernel) // 2 + 1

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            kernel = self.min_kernel + 2 * (draws[:, 0] * count).long()
            return gaussian_blur(images, kernel, self.max_kernel), targets

        return Batch(draws=1, apply=apply)


@component("noise")
class Noise(Augmentation):
    """Gaussian noise, independent in each pixel and channel."""

    max_std: float = param(default=0.1, ge=0, le=1, help="Largest standard deviation; white is 1.")

    def build(self, *, size: int) -> Batch:
        """Return noise with a standard deviation of 0 to ``max_std``."""
        from cellcls.ops.imaging.corruptions.seeds import DRAWS, Seeds

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            noise = Seeds.of(draws[:, :DRAWS]).normal(images[0].numel()).view_as(images)
            return images + (self.max_std * draws[:, DRAWS])[:, None, None, None] * noise, targets

        return Batch(draws=3, apply=apply)


@component("erase")
class Erase(Augmentation):
    """Hides a rectangle behind one colour (Zhong et al., Random Erasing, AAAI 2020, section 3.2)."""

    min_area: float = param(default=0.02, ge=0, le=1, help="Smallest share of the image's area.")
    max_area: float = param(default=0.2, ge=0, le=1, help="Largest share.")
    max_aspect: float = param(default=3.0, ge=1, le=100, help="Largest ratio of the sides, either way.")

    def build(self, *, size: int) -> Batch:
        """Return a rectangle anywhere in the image, of any colour. Raises ``RecipeError`` for an empty range."""
        if self.min_area > self.max_area:
            raise RecipeError(
                f"augmentation erase: min_area {self.min_area} is above max_area {self.max_area}",
                "swap the two, or make them equal for one area",
            )
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.erasing import aspects, erase

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            area = between(draws[:, 0], self.min_area, self.max_area)
            hidden = erase(images, area, aspects(draws[:, 1], self.max_aspect), draws[:, 2:4], draws[:, 4:])
            return hidden, targets

        return Batch(draws=7, apply=apply)
