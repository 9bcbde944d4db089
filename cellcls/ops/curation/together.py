"""Groups of images, such as the cells of a patient, each assigned to one part with the classes balanced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.int64]

_MISSING = 1e3
"""Cost of a class without a group in a part, more than any imbalance."""
_RESTARTS = 20
_MAX_STEPS = 500
_MAX_SWAPPED = 400
"""Number of groups up to which two are swapped, not only moved."""


def components(*groupings: Sequence[object] | NDArray[np.int64]) -> Indices:
    """Return the group number (N,) of each image if images that are together in any of ``groupings`` (N,) are together.
    Groups are numbered in order of their first image."""
    parent = list(range(len(groupings[0])))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for grouping in groupings:
        first: dict[object, int] = {}
        for row, value in enumerate(grouping.tolist() if isinstance(grouping, np.ndarray) else grouping):
            lower, higher = sorted((root(row), root(first.setdefault(value, row))))
            parent[higher] = lower
    return np.unique([root(row) for row in range(len(parent))], return_inverse=True)[1].astype(np.int64)


def assign(counts: Indices, shares: Sequence[float], order: Callable[[int], Sequence[int]]) -> Indices:
    """Return the part (G,) of each group so that every class is shared as ``shares`` say, as far as possible.

    ``counts`` (G, K): images of each class in each group; ``shares``: of each part, its part of every class;
    ``order(n)``: the ``n``-th order in which groups are first assigned. Groups are assigned one by one, then moved and
    swapped while that improves the balance; other orders are tried while a part lacks a class.
    """
    best, lowest = np.zeros(len(counts), dtype=np.int64), np.inf
    for attempt in range(_RESTARTS):
        search = _Search(counts.astype(np.float64), np.array(shares, dtype=np.float64))
        part = search.run(order(attempt))
        cost = float(search.cost(search.held).sum())
        if cost < lowest:
            best, lowest = part, cost
        if lowest < _MISSING:
            break
    return best


class _Search:
    """A local search for the parts of groups. ``held`` (P, K): images of each class in each part."""

    def __init__(self, counts: Floats, shares: Floats) -> None:
        self.counts, self.shares = counts, shares
        self.total = np.maximum(counts.sum(0), 1)
        self.wanted = np.maximum(shares[:, None] * self.total, 1e-9)
        self.there = (shares[:, None] > 0) & (counts.sum(0) > 0)
        self.held = np.zeros_like(self.wanted)

    def cost(self, held: Floats, parts: slice | Indices = slice(None)) -> Floats:
        """Return the cost (..., P) of parts that hold ``held`` (..., P, K)."""
        off = (held - self.wanted[parts]) ** 2 / (self.wanted[parts] * self.total)
        cost: Floats = (off + _MISSING * ((held < 0.5) & self.there[parts])).sum(-1)
        return cost

    def run(self, order: Sequence[int]) -> Indices:
        """Return the part (G,) of each group."""
        part = np.zeros(len(self.counts), dtype=np.int64)
        for group in order:
            added = self.cost(self.held + self.counts[group]) - self.cost(self.held)
            part[group] = int(added.argmin())
            self.held[part[group]] += self.counts[group]
        for _ in range(_MAX_STEPS):
            if not (self._move(part) or (len(part) <= _MAX_SWAPPED and self._swap(part))):
                break
        return part

    def _move(self, part: Indices) -> bool:
        """Move the group that improves the balance most; return whether one does."""
        now = self.cost(self.held)
        less = self.cost(self.held[part] - self.counts, part) - now[part]
        more = self.cost(self.held[None] + self.counts[:, None]) - now
        change = less[:, None] + more
        change[np.arange(len(part)), part] = 0
        group, to = np.unravel_index(int(change.argmin()), change.shape)
        if change[group, to] > -1e-12:
            return False
        self._put(part, int(group), int(to))
        return True

    def _swap(self, part: Indices) -> bool:
        """Swap the two groups of different parts that improve the balance most; return whether two do."""
        now = self.cost(self.held)
        given = self.counts[None] - self.counts[:, None]
        half = self.cost(self.held[part][:, None] + given, part[:, None]) - now[part][:, None]
        change = np.where(part[:, None] == part, 0, half + half.T)
        first, second = np.unravel_index(int(change.argmin()), change.shape)
        if change[first, second] > -1e-12:
            return False
        here, there = int(part[first]), int(part[second])
        self._put(part, int(first), there)
        self._put(part, int(second), here)
        return True

    def _put(self, part: Indices, group: int, to: int) -> None:
        self.held[part[group]] -= self.counts[group]
        self.held[to] += self.counts[group]
        part[group] = to
