"""What an epoch goes over: the training images, and the copies that augmentation makes of them (``[expand]``)."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.engine.data import Indices
from cellcls.ops.draws import permutation
from cellcls.recipe import Expand

_COPY = 1 << 40
"""Sample ids of copies start here: a copy has draws of its own."""


@attrs.frozen(kw_only=True)
class EpochSamples:
    """The samples of an epoch, before they are shuffled."""

    index: Indices
    """(M,) which image of the source."""
    copy: NDArray[np.int64]
    """(M,) which copy of it: 0 is the image itself."""
    expanded: bool
    """Whether there are copies by rule: then the images themselves pass unchanged."""
    fixed: bool
    """Whether a copy is drawn once for the whole run."""

    def __len__(self) -> int:
        return len(self.index)

    def ids(self, rows: Indices) -> Indices:
        """Return the sample ids that the draws of ``rows`` depend on."""
        return self.index[rows] + self.copy[rows] * _COPY

    def changed(self, rows: Indices) -> NDArray[np.bool_]:
        """Tell of each of ``rows`` whether augmentation acts on it."""
        return np.full(len(rows), True) if not self.expanded else self.copy[rows] > 0

    def drawn(self, rows: Indices, labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
        """Return of each class how many of ``rows`` are of it and how many of these are copies, (2, K).

        ``labels`` (N,) of the whole source.
        """
        of, copied = labels[self.index[rows]], self.copy[rows] > 0
        return np.stack([np.bincount(some, minlength=classes) for some in (of, of[copied])])

    def draw_epoch(self, epoch: int) -> int:
        """Return the epoch that draws depend on."""
        return 0 if self.expanded and self.fixed else epoch


def samples(train: Indices, labels: NDArray[np.int64], expand: Expand, *, seed: int) -> EpochSamples:
    """Return the samples of the training part: its images, ``copies`` of each, and for classes below the average
    count as many more copies as bring them up to it (report, section 5.2). ``labels`` (N,) of the whole source."""
    index, copy = [train], [np.zeros(len(train), np.int64)]
    for number in range(1, expand.copies + 1):
        index.append(train)
        copy.append(np.full(len(train), number))
    if expand.below_average:
        for members, gained in _below_average(train, labels):
            order = members[permutation(seed, 0, len(members)).numpy()]
            turn = np.arange(gained)
            index.append(order[turn % len(order)])
            copy.append(expand.copies + 1 + turn // len(order))
    return EpochSamples(
        index=np.concatenate(index),
        copy=np.concatenate(copy),
        expanded=expand.copies > 0 or expand.below_average,
        fixed=expand.fixed,
    )


def gains(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many copies bring each class (K,) that has images up to the average count, rounded down."""
    present = counts > 0
    average = int(counts.sum() // max(present.sum(), 1))
    return np.where(present, np.maximum(average - counts, 0), 0)


def _below_average(train: Indices, labels: NDArray[np.int64]) -> list[tuple[Indices, int]]:
    counts = np.bincount(labels[train])
    found = [(train[labels[train] == number], int(gain)) for number, gain in enumerate(gains(counts))]
    return [(members, gain) for members, gain in found if gain]
