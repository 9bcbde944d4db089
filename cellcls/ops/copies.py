"""Groups of copies among images, found by content hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

    def copied(self) -> list[NDArray[np.int64]]:
        """Return the groups of two and more images, each as ascending indices."""
        order = np.argsort(self.group, kind="stable")
        cuts = np.flatnonzero(np.diff(self.group[order])) + 1
        return [members for members in np.split(order, cuts) if len(members) > 1]


def group_by_hash(hashes: Sequence[str]) -> Groups:
    """Group images whose hashes are equal."""
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(value, len(numbers)) for value in hashes], dtype=np.int64)
    return Groups(hashes=tuple(hashes), group=group)
