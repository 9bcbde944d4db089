"""As many random numbers as a corruption needs, from the two draws its sample was given."""

from __future__ import annotations

import attrs
import torch
from torch import Tensor

from cellcls.ops.draws import draws

DRAWS = 2
"""Draws a ``Seeds`` starts from: 24 bits each."""


@attrs.frozen
class Seeds:
    """A seed a sample, ``ids`` (B,) int64: the same numbers on every device, whatever the batch."""

    ids: Tensor

    @classmethod
    def of(cls, drawn: Tensor) -> Seeds:
        """Return the seeds that draws (B, 2) in [0, 1) stand for."""
        high, low = (drawn * 2**24).long().unbind(1)
        return cls((high << 24) | low)

    def draw(self, count: int) -> Tensor:
        """Return uniform draws (B, ``count``) float32 in [0, 1): the same at each call."""
        return self._at(0, count)

    def normal(self, count: int) -> Tensor:
        """Return draws (B, ``count``) of the normal distribution, at most 5.3 from 0."""
        normal: Tensor = torch.special.ndtri(self.draw(count).clamp(2.0**-24, 1 - 2.0**-24))
        return normal

    def child(self, number: int) -> Seeds:
        """Return other seeds, one for each ``number`` from 0."""
        return Seeds.of(self._at(1 + number, DRAWS))

    def rows(self, rows: Tensor) -> Seeds:
        """Return the seeds of some samples."""
        return Seeds(self.ids[rows])

    def _at(self, place: int, count: int) -> Tensor:
        return draws(0, 0, self.ids, place, count)
