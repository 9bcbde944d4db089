"""Searches over the settings of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cellcls.api import Search, Value, component, param

if TYPE_CHECKING:
    from cellcls.api import Trial

Settings = Mapping[str, Value]


@component("random")
class Random(Search):
    """Draws every setting anew for each trial: hard to beat with a few trials (Bergstra and Bengio, JMLR 13, 2012)."""

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Settings]:
        """Return the function from the number of a trial to its settings; what is finished does not matter."""
        from cellcls.builtin.searches.draw import drawn

        return lambda number, _finished: drawn(self.space, seed=seed, number=number)


@component("grid")
class Grid(Search):
    """Tries all combinations in order: of ``values``, and of ``points`` between the ends of a range."""

    points: int = param(default=3, ge=2, le=100, help="Values tried between `low` and `high`, both ends among them.")

    def combinations(self) -> int:
        """Return how many there are."""
        from cellcls.builtin.searches.draw import count

        return count(self.space, self.points)

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Settings]:
        """Return the function from the number of a trial to its settings; behind the last it starts over."""
        from cellcls.builtin.searches.draw import combination

        return lambda number, _finished: combination(self.space, self.points, number)
