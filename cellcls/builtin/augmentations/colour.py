"""Augmentations of colour, each one linear in RGB."""

from __future__ import annotations

from cellcls.api import Augmentation, Colour, component, param


@component("hue")
class Hue(Augmentation):
    """Turns chroma in the IQ plane of YIQ; gray and luma stay."""

    degrees: float = param(
        default=20.0, ge=0, le=180, help="Largest turn to either side; 20 degrees are 10 of OpenCV's 180 steps."
    )

    def build(self, *, size: int) -> Colour:
        """Return a turn by -``degrees`` to ``degrees``."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import hue

        return Colour(draws=1, matrix=lambda draws: hue(between(draws[:, 0], -self.degrees, self.degrees)))


@component("saturation")
class Saturation(Augmentation):
    """Multiplies chroma in YIQ; gray and luma stay."""

    strength: float = param(default=0.2, ge=0, le=1, help="The factor lies within 1 - strength and 1 + strength.")

    def build(self, *, size: int) -> Colour:
        """Return a multiplication of chroma."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import saturation

        low, high = 1 - self.strength, 1 + self.strength
        return Colour(draws=1, matrix=lambda draws: saturation(between(draws[:, 0], low, high)))


@component("brightness")
class Brightness(Augmentation):
    """Multiplies all channels by one factor, as torchvision's and Kornia's accumulative brightness do."""

    strength: float = param(default=0.2, ge=0, le=1, help="The factor lies within 1 - strength and 1 + strength.")

    def build(self, *, size: int) -> Colour:
        """Return a multiplication of all channels."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import brightness

        low, high = 1 - self.strength, 1 + self.strength
        return Colour(draws=1, matrix=lambda draws: brightness(between(draws[:, 0], low, high)))


@component("contrast")
class Contrast(Augmentation):
    """Multiplies the distance from middle gray, 0.5 (not from the image's own mean: that would not be linear)."""

    strength: float = param(default=0.2, ge=0, le=1, help="The factor lies within 1 - strength and 1 + strength.")

    def build(self, *, size: int) -> Colour:
        """Return a multiplication of the distance from middle gray."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import contrast

        low, high = 1 - self.strength, 1 + self.strength
        return Colour(draws=1, matrix=lambda draws: contrast(between(draws[:, 0], low, high)))
