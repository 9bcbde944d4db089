"""Per-sample random numbers for corruptions, any number of them derived from two draws of the sample."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from cellcls.ops.draws import draws

DRAWS = 2
"""Number of draws that ``Seeds`` are made from, 24 bits each."""


@attrs.frozen
class Seeds:
    """One seed per sample, ``ids`` (B,) int64: the same numbers on every device and in any batch."""

    ids: Tensor

    @classmethod
    def of(cls, drawn: Tensor) -> Seeds:
        """Return the seeds given by draws (B, 2) in [0, 1)."""
        high, low = (drawn * 2**24).long().unbind(1)
        return cls((high << 24) | low)

    def draw(self, count: int) -> Tensor:
        """Return uniform draws (B, ``count``) float32 in [0, 1): the same at each call."""
        return self._at(0, count)

    def normal(self, count: int) -> Tensor:
        """Return draws (B, ``count``) of the standard normal distribution, at most 5.3 in magnitude."""
        normal: Tensor = torch.special.ndtri(self.draw(count).clamp(2.0**-24, 1 - 2.0**-24))
        return normal

    def child(self, number: int) -> Seeds:
        """Return derived seeds, different for each ``number`` from 0."""
        return Seeds.of(self._at(1 + number, DRAWS))

    def rows(self, rows: Tensor) -> Seeds:
        """Return the seeds of the samples ``rows``."""
        return Seeds(self.ids[rows])

    def _at(self, place: int, count: int) -> Tensor:
        return draws(0, 0, self.ids, place, count)
