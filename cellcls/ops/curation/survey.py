"""A single pass over all images of a data set that computes hashes, fingerprints and statistics, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.curation.image_statistics import STATISTICS, statistics
from cellcls.ops.curation.perceptual import Fingerprints, fingerprints
from cellcls.ops.processes.parallel import in_parallel
from cellcls.ops.storage.hashing import content_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

Read = Callable[["NDArray[np.intp]"], "NDArray[np.uint8]"]
"""Maps indices (B,) to images (B, H, W, 3)."""

_BATCH = 64
_PIXELS = 1 << 22
"""Maximum number of pixels in a batch, so that large images are read in small batches."""


@attrs.frozen(eq=False)
class Survey:
    """Hashes, fingerprints and statistics of N images."""

    hashes: tuple[str, ...]
    """Content hash of each image."""
    prints: Fingerprints
    statistics: NDArray[np.float32]
    """(N, F) in the order of ``STATISTICS``."""


def survey(
    read: Read, count: int, progress: Callable[[int], None] = lambda _: None, *, hashes: Sequence[str] | None = None
) -> Survey:
    """Survey ``count`` images. ``progress`` is called with the number of images done; ``hashes`` (N,): the content
    hashes, if already known."""
    parts = list(_parts(read, count, progress, hashes))
    if not parts:
        empty = np.zeros((0, 1, 1, 3), dtype=np.uint8)
        return Survey((), fingerprints(empty), np.zeros((0, len(STATISTICS)), dtype=np.float32))
    return Survey(
        tuple(value for part in parts for value in part.hashes),
        Fingerprints.joined([part.prints for part in parts]),
        np.concatenate([part.statistics for part in parts]),
    )


def _parts(read: Read, count: int, progress: Callable[[int], None], hashes: Sequence[str] | None) -> Iterator[Survey]:
    """Yield the survey of each batch, in order."""
    lock = threading.Lock()

    def work(indices: NDArray[np.intp]) -> Survey:
        with lock:  # sources need not be thread-safe
            images = read(indices)
        known = map(content_hash, images) if hashes is None else (hashes[index] for index in indices)
        return Survey(tuple(known), fingerprints(images), statistics(images))

    done = 0
    for part in in_parallel(work, _batches(read, count)):
        done += len(part.hashes)
        progress(done)
        yield part


def _batches(read: Read, count: int) -> Iterator[NDArray[np.intp]]:
    if not count:
        return
    height, width = read(np.zeros(1, dtype=np.intp)).shape[1:3]
    size = max(1, min(_BATCH, _PIXELS // (height * width)))
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count), dtype=np.intp)
