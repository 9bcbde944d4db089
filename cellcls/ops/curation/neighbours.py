"""Pairs of near descriptors: every pair in a small set, those that share a cell in a large one.

Beyond 20,000 descriptors they are sorted into N / 256 cells around descriptors drawn evenly from the set (an inverted
file: Sivic and Zisserman 2003); each meets the members of the eight cells it is nearest to. So dense places have more
cells, and the cost per image is that of 2,048 distances and of N / 256 more for the cells: nearly linear up to a
million images. Each keeps its 16 nearest neighbours, so neither crowds nor equal pictures make the pairs explode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.processes.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Indices = NDArray[np.int64]
    Rows = NDArray[np.float64]
    """(P, 3): asked, neighbour, squared distance."""

_NEIGHBOURS = 16
_ALL_PAIRS = 20_000
_CELL = 256
_PROBES = 8
_CROWD = 2048
"""So many members of a cell are met at most: equal descriptors all lie in one."""
_DISTANCES = 2**21
"""How many distances a block holds."""
_ROWS = 2**22
"""So many new neighbours are gathered before the farther ones are let go."""


@attrs.frozen(eq=False)
class Neighbours:
    """P pairs of near descriptors by their places, ``first`` < ``second``."""

    first: Indices
    second: Indices
    rank: Indices
    """(P,) the lower of the two ranks, from 0, that one has among the neighbours of the other."""
    squares: Floats
    """(P,) squared distance."""


def near_pairs(descriptors: Floats, radius: float, *, askers: int | None = None) -> Neighbours:
    """Return the pairs of ``descriptors`` (N, D) closer than ``radius``. ``askers``: so many of the first descriptors
    ask for neighbours among the rest, instead of all among all."""
    count = len(descriptors)
    centred = descriptors - descriptors.mean(axis=0) if count else descriptors
    squares = (centred * centred).sum(axis=1)

    def near(block: tuple[Indices, Indices]) -> Rows:
        asked, among = block
        distances = squares[asked, None] + squares[among] - 2 * (centred[asked] @ centred[among].T)
        row, column = _within(distances, radius * radius)
        other = asked[row] != among[column]
        row, column = row[other], column[other]
        return _closest(np.stack([asked[row], among[column], distances[row, column]], axis=1))

    asked = np.arange(count if askers is None else askers)
    among = np.arange(askers or 0, count)
    blocks = _blocks(asked, among) if count <= _ALL_PAIRS else _cell_blocks(centred, asked, among)
    return _pairs(_gathered(in_parallel(near, blocks)), count)


def _within(distances: Floats, limit: float) -> tuple[Indices, Indices]:
    """Return rows and columns of the distances below ``limit``, in a crowd only of the nearest of each row."""
    near = distances < limit
    if distances.shape[1] > _NEIGHBOURS and np.count_nonzero(near) > 4 * _NEIGHBOURS * len(distances):
        nearest = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, : _NEIGHBOURS + 1]  # the asked one among them
        chosen = np.zeros_like(near)
        np.put_along_axis(chosen, nearest, True, axis=1)
        near &= chosen
    row, column = np.nonzero(near)
    return row, column


def _closest(rows: Rows) -> Rows:
    """Return of ``rows`` those of the nearest neighbours of each asked one, the nearest first."""
    ordered = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
    return ordered[_ranks(ordered) < _NEIGHBOURS]


def _ranks(ordered: Rows) -> Indices:
    return np.arange(len(ordered)) - np.searchsorted(ordered[:, 0], ordered[:, 0])


def _gathered(parts: Iterable[Rows]) -> Rows:
    """Return the nearest neighbours of all parts; what is no longer among them is let go on the way."""
    held, size = [np.zeros((0, 3))], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size > _ROWS:
            held, size = [_closest(np.concatenate(held))], 0
    return _closest(np.concatenate(held))


def _pairs(rows: Rows, count: int) -> Neighbours:
    one, two = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    rank = _ranks(rows)
    order = np.argsort(rank, kind="stable")
    code, chosen = np.unique((np.minimum(one, two) * count + np.maximum(one, two))[order], return_index=True)
    chosen = order[chosen]
    return Neighbours(code // max(count, 1), code % max(count, 1), rank[chosen], rows[chosen, 2].astype(np.float32))


def _blocks(asked: Indices, among: Indices) -> Iterator[tuple[Indices, Indices]]:
    rows = max(1, _DISTANCES // max(len(among), 1))
    for start in range(0, len(asked), rows):
        yield asked[start : start + rows], among


def _cell_blocks(descriptors: Floats, asked: Indices, among: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield those of ``asked`` that have a cell among their nearest ones, beside the members of it in ``among``."""
    count = len(descriptors)
    centres = descriptors[np.linspace(0, count - 1, count // _CELL).astype(int)]
    rows = max(1, _DISTANCES // len(centres))
    probes = np.concatenate(
        [_nearest_centres(descriptors[start : start + rows], centres) for start in range(0, count, rows)]
    )
    visits = _members(probes[asked].ravel(), len(centres))
    for visitors, members in zip(visits, _members(probes[among, 0], len(centres)), strict=True):
        yield from _blocks(asked[visitors // probes.shape[1]], among[members[:_CROWD]])


def _nearest_centres(descriptors: Floats, centres: Floats) -> Indices:
    distances = (centres * centres).sum(axis=1) - 2 * (descriptors @ centres.T)
    probes = min(_PROBES, len(centres))
    nearest = np.argpartition(distances, probes - 1, axis=1)[:, :probes]
    order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)


def _members(cells: Indices, count: int) -> list[Indices]:
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells, minlength=count))[:-1])
