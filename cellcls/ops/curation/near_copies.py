"""Near copies: rotated, flipped, shifted, cropped, recompressed, brightened or darkened versions of an image.

They are found in two steps: a search for neighbouring descriptors, then the correlation of details under the symmetry
estimated from the fingerprints, maximised over small shifts and scales.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.curation.detail_correlation import detail_correlation, detail_waves
from cellcls.ops.curation.neighbours import Neighbours, near_pairs
from cellcls.ops.curation.perceptual import Fingerprints, orientations, oriented
from cellcls.ops.curation.thresholds import SIMILARITY
from cellcls.ops.processes.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.curation.copies import Groups

    Floats = NDArray[np.float32]
    Indices = NDArray[np.int64]

_RADIUS = 0.38
_NEAREST = 1
"""Number of nearest neighbours compared first. The groups they form are then compared at their nearest members."""
_BLOCK = 512


@attrs.frozen(eq=False)
class NearPairs:
    """P pairs of near copies, by index in the data set, ``first`` < ``second``."""

    first: Indices
    second: Indices
    similarity: Floats
    """(P,) correlation of details, 0..1."""
    symmetry: NDArray[np.int8]
    """(P,) symmetry of the square that maps the second image onto the first (see ``perceptual.oriented``)."""

    def __len__(self) -> int:
        return len(self.first)

    def groups(self, count: int) -> list[Indices]:
        """Return groups of near copies among ``count`` images, each led by its first image.

        An image joins the earliest image that it is a copy of, so that a chain of slight changes is not one group; the
        remaining pairs of such chains are the ``links``.
        """
        near: dict[int, list[int]] = {}
        for first, second in zip(self.first.tolist(), self.second.tolist(), strict=True):
            near.setdefault(first, []).append(second)
        taken = np.zeros(count, dtype=np.bool_)
        groups = []
        for first in sorted(near):
            members = [second for second in near[first] if not taken[second]]
            if not taken[first] and members:
                groups.append(np.array([first, *sorted(members)], dtype=np.int64))
                taken[groups[-1]] = True
        return groups

    def links(self, count: int) -> NearPairs:
        """Return the pairs among ``count`` images whose images are in different ``groups``."""
        group = np.arange(count)
        for members in self.groups(count):
            group[members] = members[0]
        return self._subset(group[self.first] != group[self.second])

    def by_pair(self) -> dict[tuple[int, int], float]:
        """Return the similarity of each pair (first, second)."""
        ends = zip(self.first.tolist(), self.second.tolist(), strict=True)
        return dict(zip(ends, self.similarity.tolist(), strict=True))

    def components(self, count: int) -> Indices:
        """Return the first image of each image's connected component (count,)."""
        lowest = np.arange(count)
        while True:
            before = lowest.copy()
            low = np.minimum(lowest[self.first], lowest[self.second])
            for ends in (self.first, self.second):
                np.minimum.at(lowest, lowest[ends], low)
                np.minimum.at(lowest, ends, low)
            lowest = lowest[lowest]
            if (lowest == before).all():
                return lowest

    def _subset(self, chosen: NDArray[np.bool_] | Indices) -> NearPairs:
        return NearPairs(self.first[chosen], self.second[chosen], self.similarity[chosen], self.symmetry[chosen])


def find_near_copies(
    prints: Fingerprints, *, groups: Groups | None = None, similarity: float = SIMILARITY
) -> NearPairs:
    """Return pairs of images whose details correlate by at least ``similarity``.

    Of each of the ``groups`` of exact copies, only the first image is considered.

    Pairs connect all near copies of an image, and every copy of the first image of a component is paired with it. If
    that covers the component, other pairs may be missing, so that the number of pairs is linear in the number of
    images. Otherwise (a chain of slight changes), all pairs of neighbours are included.
    """
    if groups is not None:
        firsts = groups.firsts()
        pairs = find_near_copies(prints.take(firsts), similarity=similarity)
        return attrs.evolve(pairs, first=firsts[pairs.first], second=firsts[pairs.second])
    candidates = near_pairs(prints.descriptors, _RADIUS)
    nearest = candidates.rank < _NEAREST
    found = _verified(prints, candidates.first[nearest], candidates.second[nearest], similarity)
    for more in (_between_groups, _with_the_first, _in_chains):
        first, second = more(found, candidates, len(prints))
        found = _joined(found, _verified(prints, first, second, similarity))
    return found._subset(np.lexsort((found.second, found.first)))


def find_copies_across(ours: Fingerprints, theirs: Fingerprints, *, similarity: float = SIMILARITY) -> NearPairs:
    """Return a pair for each of our images with a near copy in the other data set: its index in ours (``first``) and
    the index of its nearest copy in theirs (``second``).

    Each image is compared with its own neighbours among theirs, so the cost is that of one more search.
    """
    prints = Fingerprints.joined([ours, theirs])
    candidates = near_pairs(prints.descriptors, _RADIUS, queries=len(ours))
    first, second, nearest = candidates.first, candidates.second, candidates.rank < _NEAREST
    found = _verified(prints, first[nearest], second[nearest], similarity)
    rest = ~nearest & ~np.isin(first, found.first)
    more = _verified(prints, first[rest], second[rest], similarity)
    found = _joined(found, more._subset(np.lexsort((-more.similarity, more.first))))
    found = found._subset(np.unique(found.first, return_index=True)[1])
    return attrs.evolve(found, second=found.second - len(ours))


def family_hashes(pairs: NearPairs, groups: Groups) -> list[str]:
    """Return one hash for all versions of an image (N): the content hash of the first image of its component, connected
    by exact copies (``groups``) and near copies (``pairs``, found with ``groups``)."""
    firsts = pairs.components(len(groups))[groups.firsts()[groups.group]]
    return [groups.hashes[index] for index in firsts]


def _between_groups(found: NearPairs, candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return the nearest candidate pair between every two groups, ``first`` < ``second``."""
    first, second = candidates.first, candidates.second
    lowest = found.components(count)
    ends = np.sort(np.stack([lowest[first], lowest[second]]), axis=0)
    order = np.argsort(candidates.squares, kind="stable")
    order = order[(ends[0] != ends[1])[order]]
    chosen = order[np.unique(ends[0][order] * count + ends[1][order], return_index=True)[1]]
    return first[chosen], second[chosen]


def _with_the_first(found: NearPairs, _candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return pairs of the first image of a group with each member not paired with it yet."""
    lowest = found.components(count)
    others = np.flatnonzero(_apart(found, lowest))
    return lowest[others], others


def _in_chains(found: NearPairs, candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return the candidates, not yet found, within groups in which not every image is a copy of the first."""
    first, second = candidates.first, candidates.second
    lowest = found.components(count)
    chained = np.zeros(count, dtype=np.bool_)
    chained[lowest[_apart(found, lowest)]] = True
    known = np.isin(first * count + second, found.first * count + found.second)
    within = (lowest[first] == lowest[second]) & chained[lowest[first]] & ~known
    return first[within], second[within]


def _apart(found: NearPairs, lowest: Indices) -> NDArray[np.bool_]:
    """Return for each image whether it is connected to an earlier one (``lowest``) without being paired with it."""
    apart = np.asarray(lowest != np.arange(len(lowest)))
    apart[found.second[found.first == lowest[found.second]]] = False
    return apart


def _verified(prints: Fingerprints, first: Indices, second: Indices, similarity: float) -> NearPairs:
    blocks = [slice(start, start + _BLOCK) for start in range(0, len(first), _BLOCK)]
    parts = list(in_parallel(lambda block: compare(prints, first[block], second[block]), blocks))
    found = np.concatenate([np.zeros(0, dtype=np.float32), *(part[0] for part in parts)])
    symmetry = np.concatenate([np.zeros(0, dtype=np.int8), *(part[1] for part in parts)])
    near = found >= similarity
    return NearPairs(first[near], second[near], np.minimum(found[near], 1), symmetry[near])


def _joined(*pairs: NearPairs) -> NearPairs:
    names = (field.name for field in attrs.fields(NearPairs))
    return NearPairs(*(np.concatenate([getattr(part, name) for part in pairs]) for name in names))


def compare(prints: Fingerprints, first: Indices, second: Indices) -> tuple[Floats, NDArray[np.int8]]:
    """Return the correlation of details of each pair (P,) and the symmetry at which it was measured (P,)."""
    turned = orientations(prints.cosines[second])
    symmetry = np.einsum("psij,pij->ps", turned, prints.cosines[first]).argmax(axis=1).astype(np.int8)
    names, ours = np.unique(first, return_inverse=True)
    waves = detail_waves(prints.thumbnails[names].astype(np.float32))
    found = np.zeros(len(first), dtype=np.float32)
    for number in range(8):
        chosen = np.flatnonzero(symmetry == number)
        if len(chosen):
            theirs = oriented(prints.thumbnails[second[chosen]], number).astype(np.float32)
            found[chosen] = detail_correlation(waves[ours[chosen]], theirs)
    return found, symmetry
