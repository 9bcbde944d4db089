"""Groups of copies among images, found by content hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMES_THE_REST = 10.0
"""From how many times the rest on a group counts as repeated far above it, where nobody says else."""


@attrs.frozen(eq=False)
class Groups:
    """The groups of byte-equal images of a set: every image belongs to one, most to a group of their own."""

    hashes: tuple[str, ...]
    """Content hash of each image, hexadecimal."""
    group: NDArray[np.int64]
    """(N,) number of each image's group; groups are numbered by their first image's position."""

    def __len__(self) -> int:
        return len(self.hashes)

    def sizes(self) -> NDArray[np.int64]:
        """Return how many images each group has (G,)."""
        return np.bincount(self.group)

    def firsts(self) -> NDArray[np.int64]:
        """Return the index of each group's first image (G,)."""
        return np.unique(self.group, return_index=True)[1].astype(np.int64)

    def members(self) -> list[NDArray[np.int64]]:
        """Return the images of each group (G), as ascending indices."""
        order = np.argsort(self.group, kind="stable")
        return np.split(order, np.cumsum(self.sizes())[:-1]) if len(order) else []

    def copied(self) -> list[NDArray[np.int64]]:
        """Return the groups of two and more images, each as ascending indices."""
        return [members for members in self.members() if len(members) > 1]

    def shared_with(self, other: Groups) -> dict[int, int]:
        """Return the numbers of the groups that another set holds too, and what number each has there."""
        there = dict(zip(other.hashes, other.group.tolist(), strict=True))
        firsts = enumerate(self.hashes[index] for index in self.firsts())
        return {number: there[value] for number, value in firsts if value in there}

    def conflicting(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each group (G,) whether its images carry several labels. ``labels`` (N,)."""
        return np.bincount(self.group, weights=labels[self.firsts()][self.group] != labels) > 0

    def overrepresented(self, times: float = TIMES_THE_REST) -> NDArray[np.bool_]:
        """Tell of each group (G,) whether it is repeated far above the rest: a picture that is no sample.

        It is when it has two images at least and ``times`` as many as the group at the 90th percentile (the lower of
        two, each group counting once). Pairs and triples never count at the default; nor do the classes of a set that
        was oversampled by copying, as long as they are more than a tenth of it.
        """
        sizes = self.sizes()
        if not len(sizes):
            return np.zeros(0, dtype=np.bool_)
        rest = np.percentile(sizes, 90, method="lower")
        return (sizes >= 2) & (sizes >= times * rest)


def group_by_hash(hashes: Sequence[str]) -> Groups:
    """Group images whose hashes are equal."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(value, len(numbers)) for value in hashes], dtype=np.int64)
    return Groups(hashes=tuple(hashes), group=group)
