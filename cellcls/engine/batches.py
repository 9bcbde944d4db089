"""How the samples of an epoch come in batches, and a batch in parts: one after another, and over processes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellcls.engine.data import Indices


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches; a last one of a single image is left out, as BatchNorm needs two."""
    return max(1, count // batch_size + (count % batch_size > 1))


def parts_of(size: int, *, processes: int, accumulate: int, fewest: int = 1) -> int:
    """Return in how many parts a batch of ``size`` images is computed: at most ``accumulate``, and so few that each
    process has ``fewest`` images of each part, if there are as many."""
    return min(accumulate, max(1, size // (processes * fewest)))


def smallest_part(count: int, batch_size: int, *, processes: int, accumulate: int) -> int:
    """Return the fewest images of an epoch of ``count`` samples that a process computes at a time."""
    steps = steps_per_epoch(count, batch_size)
    sizes = {min(batch_size, count), min(count - (steps - 1) * batch_size, batch_size)}
    return min(size // parts_of(size, processes=processes, accumulate=accumulate) // processes for size in sizes)


def own_parts(
    batch: Indices, *, rank: int, processes: int, accumulate: int, fewest: int = 1
) -> Iterator[tuple[Indices, NDArray[np.float32]]]:
    """Yield a process's parts of a batch, each with a weight an image.

    Each has ``fewest`` images at least: where its own do not suffice, others of the batch join them, with the weight 0.
    """
    for part in np.array_split(batch, parts_of(len(batch), processes=processes, accumulate=accumulate, fewest=fewest)):
        own = np.arange(len(part)) % processes == rank
        filling = part[~own][: max(0, fewest - own.sum())]
        weights = np.repeat(np.array([1, 0], np.float32), [own.sum(), len(filling)])
        yield np.concatenate([part[own], filling]), weights
