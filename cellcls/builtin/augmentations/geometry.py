"""Augmentations of place, each one a linear map of the plane."""

from __future__ import annotations

import math
from typing import Literal

from cellcls.api import Augmentation, Geometric, component, param
from cellcls.errors import RecipeError


@component("flip")
class Flip(Augmentation):
    """Mirrors the image, where it acts; a recipe that wants both directions lists two."""

    p: float = param(default=0.5, ge=0, le=1, help="Share of the images it acts on.")
    axis: Literal["horizontal", "vertical"] = param(
        default="horizontal", help="horizontal: left becomes right; vertical: top becomes bottom."
    )

    def build(self, *, size: int) -> Geometric:
        """Return the mirroring."""
        from cellcls.ops.imaging.geometry import flip

        return Geometric(draws=0, matrix=lambda draws: flip(self.axis, len(draws)).to(draws.device))


@component("quarter_turn")
class QuarterTurn(Augmentation):
    """Turns the image by 0, 90, 180 or 270 degrees, each as likely."""

    def build(self, *, size: int) -> Geometric:
        """Return the turn."""
        from cellcls.ops.imaging.geometry import quarter_turns

        return Geometric(draws=1, matrix=lambda draws: quarter_turns((draws[:, 0] * 4).long()))


@component("rotate")
class Rotate(Augmentation):
    """Turns the image about its centre by any angle up to ``degrees`` to either side."""

    degrees: float = param(default=180.0, ge=0, le=180, help="Largest turn to either side.")

    def build(self, *, size: int) -> Geometric:
        """Return a turn by -``degrees`` to ``degrees``."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.geometry import rotation

        return Geometric(draws=1, matrix=lambda draws: rotation(between(draws[:, 0], -self.degrees, self.degrees)))


@component("translate")
class Translate(Augmentation):
    """Moves the image along both axes, each by a draw of its own."""

    share: float = param(default=0.1, ge=0, le=1, help="Largest shift either way, as a share of the image's side.")

    def build(self, *, size: int) -> Geometric:
        """Return a shift by -``share`` to ``share`` of the side."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.geometry import translation

        return Geometric(draws=2, matrix=lambda draws: translation(*between(draws, -self.share, self.share).unbind(1)))


@component("crop")
class Crop(Augmentation):
    """Cuts out a square and resizes it back to the image's size (zooms in)."""

    min_side: float = param(default=0.8, gt=0, le=1, help="Smallest side of the square, as a share of the image's.")

    def build(self, *, size: int) -> Geometric:
        """Return a square with a side of ``min_side`` to 1 anywhere in the image."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.geometry import crop

        return Geometric(
            draws=3, matrix=lambda draws: crop(between(draws[:, 0], self.min_side, 1.0), draws[:, 1], draws[:, 2])
        )


@component("zoom")
class Zoom(Augmentation):
    """Enlarges or shrinks the image about its centre, as another magnification does."""

    min_scale: float = param(default=0.5, ge=0.1, le=10, help="Smallest scale; below 1 more than the image is shown.")
    max_scale: float = param(default=2.0, ge=0.1, le=10, help="Largest scale.")

    def build(self, *, size: int) -> Geometric:
        """Return a scale, uniform in its logarithm. Raises ``RecipeError`` for an empty range."""
        if self.min_scale > self.max_scale:
            raise RecipeError(
                f"augmentation zoom: min_scale {self.min_scale} is above max_scale {self.max_scale}",
                "swap the two, or make them equal for one scale",
            )
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.geometry import zoom

        low, high = math.log(self.min_scale), math.log(self.max_scale)
        return Geometric(draws=1, matrix=lambda draws: zoom(between(draws[:, 0], low, high).exp()))


@component("shear")
class Shear(Augmentation):
    """Shears the image along both axes, each by a draw of its own: round cells become oblique ellipses."""

    share: float = param(
        default=0.15, ge=0, le=0.9, help="Largest shift either way of a row or column, per distance from the centre."
    )

    def build(self, *, size: int) -> Geometric:
        """Return a shear by -``share`` to ``share`` along each axis."""
        from cellcls.ops.draws import between
        from cellcls.ops.imaging.geometry import shear

        return Geometric(draws=2, matrix=lambda draws: shear(*between(draws, -self.share, self.share).unbind(1)))
