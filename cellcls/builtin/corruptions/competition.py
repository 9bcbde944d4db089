"""The suite that substitutes for the hidden test set of the challenge."""

from __future__ import annotations

from typing import ClassVar

from cellcls.api import Batch, Corruption, component
from cellcls.builtin.corruptions.severity import at, operation


@component("competition")
class Competition(Corruption):
    """Chains of 1 to 4 strong operations per image: geometry, channels, tone, noise, blur, occlusion, mixtures. Our own
    substitute for the hidden images of the challenge; strength and length of chains grow with the severity."""

    suite: ClassVar[str | None] = "competition"

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the chains at ``severity``. Raises ``RecipeError`` outside 1 to 5."""
        at(severity, range(5), self)
        from cellcls.ops.imaging.corruptions.competition import compete
        from cellcls.ops.imaging.corruptions.seeds import DRAWS, Seeds

        return operation(lambda images, drawn: compete(images, severity, Seeds.of(drawn)), draws=DRAWS)
