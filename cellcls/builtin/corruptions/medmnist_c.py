"""The eleven corruptions of MedMNIST-C for blood cells (Di Salvo, Doerrich, Ledig 2024, arXiv 2406.17536), with the
published strengths. These refer to 224 px: lengths scale with the side of the input, shares and factors do not."""

from __future__ import annotations

from typing import ClassVar

from cellcls.api import Batch, Corruption, component
from cellcls.builtin.corruptions.severity import at, operation

_SUITE = "medmnist_c"


@component("pixelate")
class Pixelate(Corruption):
    """Downsamples to 0.6 to 0.25 of the side by box averages and upsamples by repetition, as Pillow does."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return coarse pixels."""
        share = at(severity, (0.6, 0.5, 0.4, 0.3, 0.25), self)
        from cellcls.ops.imaging.corruptions.compression import pixelate

        return operation(lambda images, _: pixelate(images, share))


@component("jpeg")
class Jpeg(Corruption):
    """Compresses as JPEG of quality 50 to 7 by Pillow, on the CPU; blocks stay 8 x 8 pixels at any input size."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the compression."""
        quality = at(severity, (50, 30, 15, 10, 7), self)
        from cellcls.ops.imaging.corruptions.compression import jpeg

        return operation(lambda images, _: jpeg(images, quality))


@component("defocus")
class Defocus(Corruption):
    """Blurs with a disk of 2 to 6 pixels radius at 224 px."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the blur."""
        radius = at(severity, (2, 3, 4, 5, 6), self)
        from cellcls.ops.imaging.corruptions.blur import defocus

        return operation(lambda images, _: defocus(images, radius))


@component("motion")
class Motion(Corruption):
    """Blurs along a trail, -45 to 45 degrees, of radius 3 to 10 and sigma 3 to 9 pixels at 224 px, as ImageMagick."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the blur."""
        radius, sigma = at(severity, ((3, 3), (5, 5), (10, 5), (10, 7), (10, 9)), self)
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.corruptions.blur import motion

        return operation(lambda images, drawn: motion(images, radius, sigma, between(drawn[:, 0], -45, 45)), draws=1)


@component("brightness_up")
class BrightnessUp(Corruption):
    """Multiplies all channels by 1.1 to 1.4, as Pillow's ``ImageEnhance``."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the multiplication."""
        factor = at(severity, (1.1, 1.2, 1.3, 1.35, 1.4), self)
        from cellcls.ops.imaging.corruptions.enhance import brightness

        return operation(lambda images, _: brightness(images, factor))


@component("brightness_down")
class BrightnessDown(Corruption):
    """Multiplies all channels by 0.9 to 0.5, as Pillow's ``ImageEnhance``."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the multiplication."""
        factor = at(severity, (0.9, 0.8, 0.7, 0.6, 0.5), self)
        from cellcls.ops.imaging.corruptions.enhance import brightness

        return operation(lambda images, _: brightness(images, factor))


@component("contrast_up")
class ContrastUp(Corruption):
    """Multiplies the distance from the image's mean luma by 1.1 to 1.3, as Pillow's ``ImageEnhance``."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the multiplication."""
        factor = at(severity, (1.1, 1.15, 1.2, 1.25, 1.3), self)
        from cellcls.ops.imaging.corruptions.enhance import contrast

        return operation(lambda images, _: contrast(images, factor))


@component("contrast_down")
class ContrastDown(Corruption):
    """Multiplies the distance from the image's mean luma by 0.9 to 0.5, as Pillow's ``ImageEnhance``."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the multiplication."""
        factor = at(severity, (0.9, 0.8, 0.7, 0.6, 0.5), self)
        from cellcls.ops.imaging.corruptions.enhance import contrast

        return operation(lambda images, _: contrast(images, factor))


@component("saturate")
class Saturate(Corruption):
    """Adds 0.05 to 0.2 to the saturation in HSV."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the addition."""
        added = at(severity, (0.05, 0.1, 0.15, 0.17, 0.2), self)
        from cellcls.ops.imaging.corruptions.enhance import saturate

        return operation(lambda images, _: saturate(images, added))


@component("stain_deposit")
class StainDeposit(Corruption):
    """Draws black deposits on the image: up to 1, 2 or 3, 24 pixels wide at 224 px, 32 at severity 5."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the deposits; severities 3 and 4 are equal, as published."""
        marks, side = at(severity, ((1, 24), (2, 24), (3, 24), (3, 24), (3, 32)), self)
        from cellcls.ops.imaging.corruptions.microscopy import deposit_draws, stain_deposits

        return operation(lambda images, drawn: stain_deposits(images, marks, side, drawn), draws=deposit_draws(marks))


@component("bubble")
class Bubble(Corruption):
    """Draws 7 to 12 whitish air bubbles on the image, up to 5 to 15 pixels in radius at 224 px."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the bubbles."""
        largest, most = at(severity, ((5, 10), (7, 10), (10, 10), (12, 12), (15, 12)), self)
        from cellcls.ops.imaging.corruptions.microscopy import bubble_draws, bubbles

        return operation(lambda images, drawn: bubbles(images, largest, most, drawn), draws=bubble_draws(most))
