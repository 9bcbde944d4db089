"""Augmentations of colour; all but gamma are linear in RGB."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cellcls.api import Augmentation, Batch, Colour, component, param

if TYPE_CHECKING:
    from torch import Tensor


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


@component("channel_gains")
class ChannelGains(Augmentation):
    """Multiplies red, green and blue each by a factor of its own, as another white balance or lamp does."""

    strength: float = param(
        default=0.2, ge=0, le=2, help="Largest logarithm of a factor: factors lie within exp(-strength), exp(strength)."
    )

    def build(self, *, size: int) -> Colour:
        """Return a multiplication of each channel, uniform in the logarithm of the factor."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import channel_gains

        return Colour(draws=3, matrix=lambda draws: channel_gains(between(draws, -self.strength, self.strength).exp()))


@component("gamma")
class Gamma(Augmentation):
    """Raises all values, 0 to 1, to one power, as another response of the camera does; black and white stay."""

    max_gamma: float = param(default=1.5, ge=1, le=10, help="Largest exponent; the smallest is its reciprocal.")

    def build(self, *, size: int) -> Batch:
        """Return a power, uniform in its logarithm."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.colour import gamma

        limit = math.log(self.max_gamma)

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            return gamma(images, between(draws[:, 0], -limit, limit).exp()), targets

        return Batch(draws=1, apply=apply)
