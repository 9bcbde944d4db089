"""Near copies: turned, mirrored, shifted, cropped, recompressed, lighter or darker versions of one picture.

Found in two steps: neighbours among the fingerprints' descriptors, then the correlation of the two pictures' details
under the symmetry the fingerprints tell, the best over small shifts and scales.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.detail_correlation import detail_correlation, detail_waves
from cellcls.ops.neighbours import near_pairs
from cellcls.ops.parallel import in_parallel
from cellcls.ops.perceptual import Fingerprints, orientations, oriented

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.copies import Groups

    Floats = NDArray[np.float32]
    Indices = NDArray[np.int64]

SIMILARITY = 0.82
"""From which correlation of details on two pictures count as near copies, where nobody says else. Of 11,952 real cells
no two different ones reach it, and 97 of 100 planted copies do (``benchmarks/audit_copies.py``)."""
_RADIUS = 0.38
_NEAREST = 1
"""So many neighbours of an image are compared first; what they join then meets the rest by its first image alone."""
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
    first, second, rank = near_pairs(prints.descriptors, _RADIUS)
    nearest = rank < _NEAREST
    found = _verified(prints, first[nearest], second[nearest], similarity)
    lowest = _lowest(found, len(prints))
    others = _between(lowest[first[~nearest]], lowest[second[~nearest]])
    found = _joined(found, _verified(prints, *others, similarity))
    lowest = _lowest(found, len(prints))
    members = np.setdiff1d(
        np.flatnonzero(lowest != np.arange(len(lowest))), found.second[found.first == lowest[found.second]]
    )
    return _sorted(_joined(found, _verified(prints, lowest[members], members, similarity)))


def _between(first: Indices, second: Indices) -> tuple[Indices, Indices]:
    """Return each pair of different images once, ``first`` < ``second``."""
    different = first != second
    pairs = np.unique(np.sort(np.stack([first[different], second[different]], axis=1), axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


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


def _lowest(pairs: NearPairs, count: int) -> Indices:
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
    names, ours = np.unique(first, return_inverse=True)
    waves = detail_waves(prints.thumbnails[names].astype(np.float32))
    found = np.zeros(len(first), dtype=np.float32)
    for one in range(8):
        chosen = np.flatnonzero(symmetry == one)
        if len(chosen):
            theirs = oriented(prints.thumbnails[second[chosen]], one).astype(np.float32)
            found[chosen] = detail_correlation(waves[ours[chosen]], theirs)
    return found, symmetry
