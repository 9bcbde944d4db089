"""Nearest-neighbour search among descriptors: exhaustive in a small data set, by cells in a large one.

More than 20,000 descriptors are sorted into N / 256 cells around evenly spaced descriptors (an inverted file: Sivic and
Zisserman 2003), and each is compared with the members of its eight nearest cells. Dense regions thus have more cells,
and the cost per image is 2,048 distances plus N / 256 for the cells: nearly linear up to a million images. Only the 16
nearest neighbours are kept, so that clusters and equal images do not produce a quadratic number of pairs.
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
    """(P, 3): query, neighbour, squared distance."""

_NEIGHBOURS = 16
_ALL_PAIRS = 20_000
_CELL = 256
_PROBES = 8
_MAX_MEMBERS = 2048
"""Maximum number of members of a cell to compare with: equal descriptors are all in one cell."""
_DISTANCES = 2**21
"""Number of distances in a block."""
_ROWS = 2**22
"""Number of new neighbours collected before all but the nearest are discarded."""


@attrs.frozen(eq=False)
class Neighbours:
    """P pairs of neighbouring descriptors by index, ``first`` < ``second``."""

    first: Indices
    second: Indices
    rank: Indices
    """(P,) rank, from 0, of one among the neighbours of the other; the lower of the two."""
    squares: Floats
    """(P,) squared distance."""


def near_pairs(descriptors: Floats, radius: float, *, queries: int | None = None) -> Neighbours:
    """Return the pairs of ``descriptors`` (N, D) closer than ``radius``. ``queries``: search neighbours of that many
    first descriptors among the remaining ones, instead of neighbours of all among all."""
    count = len(descriptors)
    centred = descriptors - descriptors.mean(axis=0) if count else descriptors
    squares = (centred * centred).sum(axis=1)

    def near(block: tuple[Indices, Indices]) -> Rows:
        query, among = block
        distances = squares[query, None] + squares[among] - 2 * (centred[query] @ centred[among].T)
        row, column = _within(distances, radius * radius)
        other = query[row] != among[column]
        row, column = row[other], column[other]
        return _closest(np.stack([query[row], among[column], distances[row, column]], axis=1))

    query = np.arange(count if queries is None else queries)
    among = np.arange(queries or 0, count)
    blocks = _blocks(query, among) if count <= _ALL_PAIRS else _cell_blocks(centred, query, among)
    return _pairs(_gathered(in_parallel(near, blocks)), count)


def _within(distances: Floats, limit: float) -> tuple[Indices, Indices]:
    """Return rows and columns of the distances below ``limit``; if there are many, only of the nearest in each row."""
    near = distances < limit
    if distances.shape[1] > _NEIGHBOURS and np.count_nonzero(near) > 4 * _NEIGHBOURS * len(distances):
        nearest = np.argpartition(distances, _NEIGHBOURS, axis=1)[:, : _NEIGHBOURS + 1]  # includes the query itself
        chosen = np.zeros_like(near)
        np.put_along_axis(chosen, nearest, True, axis=1)
        near &= chosen
    row, column = np.nonzero(near)
    return row, column


def _closest(rows: Rows) -> Rows:
    """Return the rows of the nearest neighbours of each query, nearest first."""
    ordered = rows[np.lexsort((rows[:, 2], rows[:, 0]))]
    return ordered[_ranks(ordered) < _NEIGHBOURS]


def _ranks(ordered: Rows) -> Indices:
    return np.arange(len(ordered)) - np.searchsorted(ordered[:, 0], ordered[:, 0])


def _gathered(parts: Iterable[Rows]) -> Rows:
    """Return the nearest neighbours over all parts, discarding others along the way."""
    held, size = [np.zeros((0, 3))], 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size > _ROWS:
            held, size = [_closest(np.concatenate(held))], 0
    return _closest(np.concatenate(held))


def _pairs(rows: Rows, count: int) -> Neighbours:
    query, neighbour = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    rank = _ranks(rows)
    order = np.argsort(rank, kind="stable")
    code = np.minimum(query, neighbour) * count + np.maximum(query, neighbour)
    code, chosen = np.unique(code[order], return_index=True)
    chosen = order[chosen]
    return Neighbours(code // max(count, 1), code % max(count, 1), rank[chosen], rows[chosen, 2].astype(np.float32))


def _blocks(query: Indices, among: Indices) -> Iterator[tuple[Indices, Indices]]:
    rows = max(1, _DISTANCES // max(len(among), 1))
    for start in range(0, len(query), rows):
        yield query[start : start + rows], among


def _cell_blocks(descriptors: Floats, query: Indices, among: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Yield, for each cell, the queries that probe it and its members in ``among``."""
    count = len(descriptors)
    centres = descriptors[np.linspace(0, count - 1, count // _CELL).astype(int)]
    rows = max(1, _DISTANCES // len(centres))
    probes = np.concatenate(
        [_nearest_centres(descriptors[start : start + rows], centres) for start in range(0, count, rows)]
    )
    visits = _members(probes[query].ravel(), len(centres))
    for visitors, members in zip(visits, _members(probes[among, 0], len(centres)), strict=True):
        yield from _blocks(query[visitors // probes.shape[1]], among[members[:_MAX_MEMBERS]])


def _nearest_centres(descriptors: Floats, centres: Floats) -> Indices:
    distances = (centres * centres).sum(axis=1) - 2 * (descriptors @ centres.T)
    probes = min(_PROBES, len(centres))
    nearest = np.argpartition(distances, probes - 1, axis=1)[:, :probes]
    order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)


def _members(cells: Indices, count: int) -> list[Indices]:
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells, minlength=count))[:-1])
