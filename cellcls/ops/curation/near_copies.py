"""Near copies: turned, mirrored, shifted, cropped, recompressed, lighter or darker versions of one picture.

Found in two steps: neighbours among the fingerprints' descriptors, then the correlation of the two pictures' details
under the symmetry the fingerprints tell, the best over small shifts and scales.
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
"""So many neighbours of an image are compared first; what they join then meets the rest where it is nearest."""
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

        An image belongs to the earliest one it is a copy of, so that chains of slight changes do not make one group;
        what such chains hold beyond the groups are their ``links``.
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

    def links(self, count: int) -> NearPairs:
        """Return the pairs among ``count`` images that none of the ``groups`` holds both images of."""
        group = np.arange(count)
        for members in self.groups(count):
            group[members] = members[0]
        return self._those(group[self.first] != group[self.second])

    def by_pair(self) -> dict[tuple[int, int], float]:
        """Return the similarity of each pair."""
        ends = zip(self.first.tolist(), self.second.tolist(), strict=True)
        return dict(zip(ends, self.similarity.tolist(), strict=True))

    def components(self, count: int) -> Indices:
        """Return for each of ``count`` images the first one it hangs together with, over one pair or many (count,)."""
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

    def _those(self, chosen: NDArray[np.bool_] | Indices) -> NearPairs:
        return NearPairs(self.first[chosen], self.second[chosen], self.similarity[chosen], self.symmetry[chosen])


def find_near_copies(
    prints: Fingerprints, *, groups: Groups | None = None, similarity: float = SIMILARITY
) -> NearPairs:
    """Return pairs of images whose details correlate from ``similarity`` on; of each of ``groups`` (exact copies) only
    the first image is looked at.

    What is alike hangs together over its pairs, and each image that is a copy of the first of them is paired with it.
    Where all are, no other pairs need be there, so that their number grows with the images; where not all are (a chain
    of slight changes), the pairs of all near neighbours are.
    """
    if groups is not None:
        places = groups.firsts()
        pairs = find_near_copies(prints.take(places), similarity=similarity)
        return attrs.evolve(pairs, first=places[pairs.first], second=places[pairs.second])
    candidates = near_pairs(prints.descriptors, _RADIUS)
    nearest = candidates.rank < _NEAREST
    found = _verified(prints, candidates.first[nearest], candidates.second[nearest], similarity)
    for more in (_between_groups, _with_the_first, _in_chains):
        first, second = more(found, candidates, len(prints))
        found = _joined(found, _verified(prints, first, second, similarity))
    return found._those(np.lexsort((found.second, found.first)))


def find_copies_across(ours: Fingerprints, theirs: Fingerprints, *, similarity: float = SIMILARITY) -> NearPairs:
    """Return for each of our images that the other set holds a near copy of one pair: its place in ours (``first``) and
    the copy's in theirs (``second``), the nearest that is one.

    Each image asks its own neighbours among theirs, whatever copies it has among ours, so the cost is that of one more
    search.
    """
    prints = Fingerprints.joined([ours, theirs])
    candidates = near_pairs(prints.descriptors, _RADIUS, askers=len(ours))
    first, second, nearest = candidates.first, candidates.second, candidates.rank < _NEAREST
    found = _verified(prints, first[nearest], second[nearest], similarity)
    rest = ~nearest & ~np.isin(first, found.first)
    more = _verified(prints, first[rest], second[rest], similarity)
    found = _joined(found, more._those(np.lexsort((-more.similarity, more.first))))
    found = found._those(np.unique(found.first, return_index=True)[1])
    return attrs.evolve(found, second=found.second - len(ours))


def family_hashes(pairs: NearPairs, groups: Groups) -> list[str]:
    """Return for each image of a set the content hash of the first image it hangs together with, over byte-equal images
    and over near copies (``pairs``, found with ``groups``): one hash for all versions of a picture."""
    firsts = pairs.components(len(groups))[groups.firsts()[groups.group]]
    return [groups.hashes[index] for index in firsts]


def _between_groups(found: NearPairs, candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return of each two groups that candidates lie between the nearest two images, ``first`` < ``second``."""
    first, second = candidates.first, candidates.second
    lowest = found.components(count)
    ends = np.sort(np.stack([lowest[first], lowest[second]]), axis=0)
    order = np.argsort(candidates.squares, kind="stable")
    order = order[(ends[0] != ends[1])[order]]
    chosen = order[np.unique(ends[0][order] * count + ends[1][order], return_index=True)[1]]
    return first[chosen], second[chosen]


def _with_the_first(found: NearPairs, _candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return each image that is not paired with the first of its group beside that."""
    lowest = found.components(count)
    others = np.flatnonzero(_apart(found, lowest))
    return lowest[others], others


def _in_chains(found: NearPairs, candidates: Neighbours, count: int) -> tuple[Indices, Indices]:
    """Return the candidates, not yet found, within groups of which an image is no copy of the first."""
    first, second = candidates.first, candidates.second
    lowest = found.components(count)
    chained = np.zeros(count, dtype=np.bool_)
    chained[lowest[_apart(found, lowest)]] = True
    known = np.isin(first * count + second, found.first * count + found.second)
    within = (lowest[first] == lowest[second]) & chained[lowest[first]] & ~known
    return first[within], second[within]


def _apart(found: NearPairs, lowest: Indices) -> NDArray[np.bool_]:
    """Tell of each image whether it hangs together with an earlier one (``lowest``) without being paired with it."""
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


def _joined(one: NearPairs, other: NearPairs) -> NearPairs:
    return NearPairs(
        *(np.concatenate([getattr(one, field.name), getattr(other, field.name)]) for field in attrs.fields(NearPairs))
    )


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
