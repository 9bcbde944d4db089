"""The suite that selects weights: other light, optics and slides, by families that neither training nor the suites
that test it use. Strengths are our choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from cellcls.api import Batch, Corruption, component
from cellcls.builtin.corruptions.severity import at, operation

if TYPE_CHECKING:
    from torch import Tensor

    from cellcls.ops.imaging.corruptions.seeds import Seeds

_SUITE = "shifts"


def _seeded(change: Callable[[Tensor, Seeds], Tensor]) -> Batch:
    """Return the operation ``change(images, seeds)``."""
    from cellcls.ops.imaging.corruptions.seeds import DRAWS, Seeds

    return operation(lambda images, drawn: change(images, Seeds.of(drawn)), draws=DRAWS)


@component("uneven_light")
class UnevenLight(Corruption):
    """Lights the image from one side and darkens it towards the borders, by up to 20 to 70% on either side."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the light."""
        strength = at(severity, (0.2, 0.3, 0.42, 0.55, 0.7), self)
        from cellcls.ops.imaging.corruptions.shifts import uneven_light

        return _seeded(lambda images, seeds: uneven_light(images, strength, seeds))


@component("haze")
class Haze(Corruption):
    """Blends in fog of uneven thickness, whitish to gray, up to 0.3 to 0.85 of the image."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the fog."""
        strength = at(severity, (0.3, 0.45, 0.6, 0.73, 0.85), self)
        from cellcls.ops.imaging.corruptions.shifts import haze

        return _seeded(lambda images, seeds: haze(images, strength, seeds))


@component("speckle")
class Speckle(Corruption):
    """Multiplies grains of two pixels at 96 px by noise of standard deviation 0.06 to 0.3, all channels alike."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the noise."""
        strength = at(severity, (0.06, 0.1, 0.15, 0.22, 0.3), self)
        from cellcls.ops.imaging.corruptions.shifts import speckle

        return _seeded(lambda images, seeds: speckle(images, strength, seeds))


@component("glass")
class Glass(Corruption):
    """Displaces pixels by a smooth random field of 0.8 to 3 pixels at 96 px."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the displacement."""
        pixels = at(severity, (0.8, 1.3, 1.8, 2.4, 3.0), self)
        from cellcls.ops.imaging.corruptions.shifts import glass

        return _seeded(lambda images, seeds: glass(images, pixels / 96, seeds))


@component("cast")
class Cast(Corruption):
    """Mixes the channels with each other, by 0.15 to 0.75, under a lamp of another colour."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the change of colours."""
        strength = at(severity, (0.15, 0.3, 0.45, 0.6, 0.75), self)
        from cellcls.ops.imaging.corruptions.shifts import cast

        return _seeded(lambda images, seeds: cast(images, strength, seeds))


@component("dust")
class Dust(Corruption):
    """Lays 4 to 20 dark or bright specks and 1 to 4 fibres on the image."""

    suite: ClassVar[str | None] = _SUITE

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the dust."""
        specks, fibres = at(severity, ((4, 1), (7, 1), (11, 2), (15, 3), (20, 4)), self)
        from cellcls.ops.imaging.corruptions.shifts import dust

        return _seeded(lambda images, seeds: dust(images, specks, fibres, seeds))
