"""Groups of exact copies, by content hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OVERREPRESENTED = 10.0
"""Default ratio to the 90th percentile of group sizes from which a group is overrepresented."""


@attrs.frozen(eq=False)
class Groups:
    """Groups of images with identical pixels. Every image is in exactly one group, usually as its only member."""

    hashes: tuple[str, ...]
    """Content hash of each image, hexadecimal."""
    group: NDArray[np.int64]
    """(N,) group number of each image; groups are numbered in order of their first image."""

    def __len__(self) -> int:
        return len(self.hashes)

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of images of each group (G,)."""
        return np.bincount(self.group)

    def firsts(self) -> NDArray[np.int64]:
        """Return the index of each group's first image (G,)."""
        return np.unique(self.group, return_index=True)[1].astype(np.int64)

    def members(self) -> list[NDArray[np.int64]]:
        """Return the ascending image indices of each of the G groups."""
        order = np.argsort(self.group, kind="stable")
        return np.split(order, np.cumsum(self.sizes())[:-1]) if len(order) else []

    def copied(self) -> list[NDArray[np.int64]]:
        """Return the groups of two or more images, each as ascending indices."""
        return [members for members in self.members() if len(members) > 1]

    def shared_with(self, other: Groups) -> dict[int, int]:
        """Return the group numbers of images that are in both data sets: number here -> number in ``other``."""
        other_group = dict(zip(other.hashes, other.group.tolist(), strict=True))
        firsts = enumerate(self.hashes[index] for index in self.firsts())
        return {number: other_group[value] for number, value in firsts if value in other_group}

    def conflicting(self, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each group (G,) whether its images have different labels. ``labels`` (N,)."""
        return np.bincount(self.group, weights=labels[self.firsts()][self.group] != labels) > 0

    def overrepresented(self, times: float = OVERREPRESENTED) -> NDArray[np.bool_]:
        """Return for each group (G,) whether it is overrepresented: an image repeated so often that it is not a sample.

        That is, it has at least two images and at least ``times`` as many as the group at the 90th percentile of sizes
        (each group counting once). At the default, pairs and triples never qualify, nor do classes oversampled by
        copying, as long as they make up more than a tenth of the data set.
        """
        sizes = self.sizes()
        if not len(sizes):
            return np.zeros(0, dtype=np.bool_)
        usual = np.percentile(sizes, 90, method="lower")
        return (sizes >= 2) & (sizes >= times * usual)


def group_by_hash(hashes: Sequence[str]) -> Groups:
    """Group images with equal hashes."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(value, len(numbers)) for value in hashes], dtype=np.int64)
    return Groups(hashes=tuple(hashes), group=group)
