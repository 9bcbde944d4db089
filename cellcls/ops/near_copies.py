"""Near copies: turned, mirrored, shifted, cropped, recompressed, lighter or darker versions of one picture.

Found in two steps: neighbours among the fingerprints' descriptors, then the correlation of the two pictures' details
under the symmetry the fingerprints tell, the best over small shifts and scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from cellcls.ops.parallel import in_parallel
from cellcls.ops.perceptual import THUMBNAIL, Fingerprints, orientations, oriented, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.copies import Groups
    from cellcls.ops.perceptual import Floats

    Indices = NDArray[np.int64]

SIMILARITY = 0.82
"""From which correlation of details on two pictures count as near copies, where nobody says else: on 11,952 real cells
the highest of two different cells is 0.81, and of planted copies one in fifty is below (``benchmarks/audit_copies.py``).
"""
_RADIUS = 0.38
_NEIGHBOURS = 16
"""An image is compared with so many neighbours at most; larger groups hang together over several images."""
_NEAREST = 2
"""So many of them are compared first; the others only where those did not join the two images already."""
_ALL_PAIRS = 20_000
"""Up to so many images every pair is looked at; beyond, those of the nearest cells."""
_CELL = 256
_PROBES = 8
_CROWD = 2048
"""So many images of a cell are met at most: pictures with equal descriptors all lie in one."""
_DISTANCES = 2**22
"""How many distances are held at once."""
_SCALES = (1 / 1.05, 1.05)
_UNDECIDED = (0.45, 0.9)
"""Between these correlations at the same scale other scales are tried: crops of 5% lie at 0.55 and above."""
_SHIFTS = np.arange(-2, 2.5, 0.5)
_DETAIL = 2.2
"""Standard deviation, in pixels of a thumbnail, of the blur that separates shape from detail."""
_NOISE = 2.0
_BLOCK = 512


@attrs.frozen(eq=False)
class NearPairs:
    """P pairs of near copies, by their places in the set, ``first`` < ``second``."""

    first: Indices
    second: Indices
    similarity: Floats
    """(P,) correlation of details, in 0..1."""
    symmetry: NDArray[np.int8]
    """(P,) which symmetry of the square maps the second onto the first (``perceptual.oriented``)."""

    def __len__(self) -> int:
        return len(self.first)

    def groups(self, count: int) -> list[Indices]:
        """Return groups of near copies among ``count`` images, each with its first image in front.

        An image belongs to the earliest one it is a copy of, so that chains of slight changes do not make one group.
        """
        near: dict[int, list[int]] = {}
        for first, second in zip(self.first.tolist(), self.second.tolist(), strict=True):
            near.setdefault(first, []).append(second)
        taken = np.zeros(count, dtype=np.bool_)
        groups = []
        for first in sorted(near):
            members = [one for one in near[first] if not taken[one]]
            if not taken[first] and members:
                groups.append(np.array([first, *sorted(members)], dtype=np.int64))
                taken[groups[-1]] = True
        return groups


def find_near_copies(
    prints: Fingerprints, *, groups: Groups | None = None, similarity: float = SIMILARITY
) -> NearPairs:
    """Return pairs of images whose details correlate from ``similarity`` on; of each of ``groups`` (exact copies) only
    the first image is looked at.

    Every group of near copies hangs together over its pairs, and each of its images that is a copy of the first one is
    paired with it; not all other pairs of a large group are there, so that their number grows with the images.
    """
    if groups is not None:
        places = groups.firsts()
        pairs = find_near_copies(prints.take(places), similarity=similarity)
        return attrs.evolve(pairs, first=places[pairs.first], second=places[pairs.second])
    first, second, rank = _candidates(prints.descriptors)
    nearest = rank < _NEAREST
    found = _verified(prints, first[nearest], second[nearest], similarity)
    joined = _components(found, len(prints))
    open_ = ~nearest & (joined[first] != joined[second])
    found = _joined(found, _verified(prints, first[open_], second[open_], similarity))
    joined = _components(found, len(prints))
    others = np.setdiff1d(
        np.flatnonzero(joined != np.arange(len(joined))), found.second[found.first == joined[found.second]]
    )
    return _sorted(_joined(found, _verified(prints, joined[others], others, similarity)))


def _verified(prints: Fingerprints, first: Indices, second: Indices, similarity: float) -> NearPairs:
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(first), _BLOCK)]
    parts = list(in_parallel(lambda block: compare(prints, first[block], second[block]), blocks))
    found = np.concatenate([np.zeros(0, dtype=np.float32), *(part[0] for part in parts)])
    symmetry = np.concatenate([np.zeros(0, dtype=np.int8), *(part[1] for part in parts)])
    near = found >= similarity
    return NearPairs(first[near], second[near], np.minimum(found[near], 1), symmetry[near])


def _joined(one: NearPairs, other: NearPairs) -> NearPairs:
    return NearPairs(
        *(np.concatenate([getattr(one, field.name), getattr(other, field.name)]) for field in attrs.fields(NearPairs))
    )


def _sorted(pairs: NearPairs) -> NearPairs:
    order = np.lexsort((pairs.second, pairs.first))
    return NearPairs(*(getattr(pairs, field.name)[order] for field in attrs.fields(NearPairs)))


def _components(pairs: NearPairs, count: int) -> Indices:
    """Return the first image that each of ``count`` images hangs together with (count,)."""
    lowest = np.arange(count)
    while True:
        before = lowest.copy()
        low = np.minimum(lowest[pairs.first], lowest[pairs.second])
        for ends in (pairs.first, pairs.second):
            np.minimum.at(lowest, lowest[ends], low)
            np.minimum.at(lowest, ends, low)
        lowest = lowest[lowest]
        if (lowest == before).all():
            return lowest


def compare(prints: Fingerprints, first: Indices, second: Indices) -> tuple[Floats, NDArray[np.int8]]:
    """Return the correlation of the details of pairs (P,) and the symmetry it was found under (P,)."""
    turned = orientations(prints.cosines[second])
    symmetry = np.einsum("psij,pij->ps", turned, prints.cosines[first]).argmax(axis=1).astype(np.int8)
    found = np.zeros(len(first), dtype=np.float32)
    for one in range(8):
        chosen = np.flatnonzero(symmetry == one)
        if len(chosen):
            ours = prints.thumbnails[first[chosen]].astype(np.float32)
            theirs = oriented(prints.thumbnails[second[chosen]], one).astype(np.float32)
            found[chosen] = _correlation(ours, theirs)
    return found, symmetry


# --- candidates -------------------------------------------------------------------------------------------------


def _candidates(descriptors: Floats) -> tuple[Indices, Indices, Indices]:
    """Return pairs of near descriptors, each image with its nearest neighbours within the radius: first (P,) < second
    (P,), and the lower of the two ranks (P,) that one has among the neighbours of the other, from 0."""
    count = len(descriptors)
    centred = descriptors - descriptors.mean(axis=0) if count else descriptors
    blocks = _every_block(count) if count <= _ALL_PAIRS else _cell_blocks(centred)
    squares = (centred * centred).sum(axis=1)
    found = [np.zeros((0, 3), dtype=np.int64)]
    for asked, among in blocks:
        distances = squares[asked, None] + squares[among] - 2 * (centred[asked] @ centred[among].T)
        row, column = np.nonzero(distances < _RADIUS**2)
        other = asked[row] != among[column]
        found.append(_nearest(asked, among, distances, row[other], column[other]))
    one, two, rank = np.concatenate(found).T
    order = np.argsort(rank, kind="stable")
    code, chosen = np.unique((np.minimum(one, two) * count + np.maximum(one, two))[order], return_index=True)
    return code // max(count, 1), code % max(count, 1), rank[order][chosen]


def _nearest(asked: Indices, among: Indices, distances: Floats, row: Indices, column: Indices) -> Indices:
    """Return asked, neighbour, rank (P, 3), at most so many an asked image, the nearest."""
    order = np.lexsort((distances[row, column], row))
    row, column = row[order], column[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < _NEIGHBOURS
    return np.stack([asked[row[kept]], among[column[kept]], rank[kept]], axis=1)


def _every_block(count: int) -> Iterator[tuple[Indices, Indices]]:
    yield from _blocks(np.arange(count), np.arange(count))


def _blocks(asked: Indices, among: Indices) -> Iterator[tuple[Indices, Indices]]:
    rows = max(1, _DISTANCES // max(len(among), 1))
    for start in range(0, len(asked), rows):
        yield asked[start : start + rows], among


def _cell_blocks(descriptors: Floats) -> Iterator[tuple[Indices, Indices]]:
    """Yield the images of each cell beside all that have it among their nearest cells (an inverted file: Sivic and
    Zisserman 2003). Cells lie around images drawn evenly from the set."""
    count = len(descriptors)
    centres = descriptors[np.linspace(0, count - 1, count // _CELL).astype(int)]
    rows = max(1, _DISTANCES // len(centres))
    probes = np.concatenate(
        [_nearest_centres(descriptors[start : start + rows], centres) for start in range(0, count, rows)]
    )
    home = probes[:, 0]
    for visitors, members in zip(_members(probes.ravel(), len(centres)), _members(home, len(centres)), strict=True):
        yield from _blocks(visitors // probes.shape[1], members[:_CROWD])


def _nearest_centres(descriptors: Floats, centres: Floats) -> Indices:
    distances = (centres * centres).sum(axis=1) - 2 * (descriptors @ centres.T)
    probes = min(_PROBES, len(centres))
    nearest = np.argpartition(distances, probes - 1, axis=1)[:, :probes]
    order = np.argsort(np.take_along_axis(distances, nearest, axis=1), axis=1)
    return np.take_along_axis(nearest, order, axis=1)


def _members(cells: Indices, count: int) -> list[Indices]:
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cells, minlength=count))[:-1])


# --- verification -----------------------------------------------------------------------------------------------


def _correlation(ours: NDArray[Any], theirs: NDArray[Any]) -> Floats:
    """Return the best correlation of details of thumbnails (P, S, S) over shifts up to 2 pixels and three scales."""
    waves = _waves(ours)
    best = _best_shift(waves, _waves(theirs))
    low, high = _UNDECIDED
    open_ = np.flatnonzero((best > low) & (best < high))
    for scale in _SCALES:
        zoom = _zoom_matrix(scale)
        best[open_] = np.maximum(best[open_], _best_shift(waves[open_], _waves(zoom @ theirs[open_] @ zoom.T)))
    return best


def _waves(images: NDArray[Any]) -> NDArray[np.complex64]:
    return np.fft.rfft2(_details(images)).astype(np.complex64)


def _best_shift(ours: NDArray[np.complex64], theirs: NDArray[np.complex64]) -> Floats:
    down, across = _shift_matrices()
    shifted = ((ours * np.conj(theirs)) @ across).transpose(0, 2, 1) @ down
    return np.asarray(shifted.real.max(axis=(1, 2)), dtype=np.float32)


def _details(images: NDArray[Any]) -> Floats:
    """Return what is finer than a blur over its local strength, faded out towards the border, of norm 1 (P, S, S).

    Local strength makes faint texture count as much as the dark edge of a nucleus, which all cells have. Two grey
    levels of noise and the floor of the norm keep flat pictures from looking alike.
    """
    blur = _blur_matrix()
    fine = images - blur @ images @ blur.T
    strength = np.sqrt(np.maximum(blur @ (fine * fine) @ blur.T, 0))
    faded = fine / (strength + _NOISE) * _window()
    faded -= faded.mean(axis=(1, 2), keepdims=True)
    return unit(faded, (1, 2), floor=THUMBNAIL / 8)


@cache
def _window() -> Floats:
    line = np.sqrt(np.hanning(THUMBNAIL + 2)[1:-1])
    return np.asarray(line[:, None] * line, dtype=np.float32)


@cache
def _blur_matrix() -> Floats:
    place = np.arange(THUMBNAIL)
    weights = np.exp(-0.5 * ((place[:, None] - place) / _DETAIL) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def _zoom_matrix(scale: float) -> Floats:
    """Return the matrix that stretches a line about its middle, linearly interpolated."""
    middle = (THUMBNAIL - 1) / 2
    place = np.clip((np.arange(THUMBNAIL) - middle) / scale + middle, 0, THUMBNAIL - 1)
    left = np.minimum(place.astype(int), THUMBNAIL - 2)
    matrix = np.zeros((THUMBNAIL, THUMBNAIL), dtype=np.float32)
    matrix[np.arange(THUMBNAIL), left] = 1 - (place - left)
    matrix[np.arange(THUMBNAIL), left + 1] += place - left
    return matrix


@cache
def _shift_matrices() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return the inverse Fourier transform at the shifts alone, half pixels among them.

    Down (S, s) and across (S / 2 + 1, s), for a spectrum as ``rfft2`` gives it.
    """
    down = np.exp(2j * np.pi * np.fft.fftfreq(THUMBNAIL)[:, None] * _SHIFTS) / THUMBNAIL
    half = np.fft.rfftfreq(THUMBNAIL)
    twice = np.where((half > 0) & (half < 0.5), 2, 1)[:, None]
    across = twice * np.exp(2j * np.pi * half[:, None] * _SHIFTS) / THUMBNAIL
    return down.astype(np.complex64), across.astype(np.complex64)
