"""Hyperparameter searches over the settings of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cellcls.api import Search, Value, component, param

if TYPE_CHECKING:
    from cellcls.api import Trial

Settings = Mapping[str, Value]


@component("random")
class Random(Search):
    """Random search: draws all settings per trial; hard to beat with few trials (Bergstra, Bengio, JMLR 13, 2012)."""

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Settings]:
        """Return the function from the number of a trial to its settings, independent of finished trials."""
        from cellcls.builtin.searches.draw import drawn

        return lambda number, _finished: drawn(self.space, seed=seed, number=number)


@component("grid")
class Grid(Search):
    """Grid search: all combinations, in order, of ``values`` and of ``points`` between the ends of a range."""

    points: int = param(default=3, ge=2, le=100, help="Number of values from `low` to `high`, both included.")

    def combinations(self) -> int:
        """Return the number of combinations."""
        from cellcls.builtin.searches.draw import count

        return count(self.space, self.points)

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Settings]:
        """Return the function from the number of a trial to its settings, starting over after the last."""
        from cellcls.builtin.searches.draw import combination

        return lambda number, _finished: combination(self.space, self.points, number)
