"""The source of rendered cells: their order, planted faults, and cached images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cellcls.api import Source
from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import VERSION, render, render_target
from cellcls.ops.rendering.styles import LOOK_ALIKES
from cellcls.ops.storage.cache import cache_key, cached_array

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_SEEDS_APART = 1 << 32
"""Cell n of a data set with seed s has the seed ``s * this + n``, so that no two data sets share a cell."""


class RenderedCells(Source):
    """Rendered cells in shuffled order, followed by conflicting copies and outliers.

    The cache file contains each image once, the outlier last, so that it does not depend on the planted faults.
    """

    class_names = CLASSES

    def __init__(
        self,
        *,
        images_per_class: int,
        seed: int,
        imbalance: float,
        conflicting: float,
        copies: int,
        outliers: int,
        size: int,
        cache: Path,
    ) -> None:
        self._size = size
        rng = np.random.default_rng(seed)
        counts = class_counts(images_per_class, imbalance)
        kinds = np.repeat(np.arange(len(CLASSES)), counts)
        numbers = np.concatenate([np.arange(count) for count in counts]) + seed * _SEEDS_APART
        order = rng.permutation(len(kinds))
        self._cells = [(int(kinds[i]), int(numbers[i])) for i in order]
        own = np.array([kind for kind, _ in self._cells], dtype=np.int64)
        planted = rng.permutation(len(own))[: round(conflicting * len(own))].repeat(copies)
        wrong = np.array([CLASSES.index(LOOK_ALIKES[name]) for name in CLASSES], dtype=np.int64)[own[planted]]
        others = rng.integers(0, len(CLASSES), outliers)
        self.labels = np.concatenate([own, wrong, others])
        self._image = np.concatenate([np.arange(len(own)), planted, np.full(outliers, len(own))])
        key = cache_key("synthetic", VERSION, images_per_class, imbalance, seed, size)
        shape = (len(own) + 1, size, size, 3)
        self._images = cached_array(cache / f"synthetic-{key}.npy", shape, np.dtype(np.uint8), self._rendered)

    def _rendered(self) -> Iterator[NDArray[np.uint8]]:
        for kind, seed in self._cells:
            yield render(kind, seed, size=self._size).image
        yield render_target(self._size)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3), RGB, 0..255, in the order of ``indices``."""
        return np.asarray(self._images[self._image[indices]])

    def masks(self, indices: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return the masks (B, H, W) of the white cell or platelet, rendered again; all False for an outlier."""
        masks = np.zeros((len(indices), self._size, self._size), dtype=np.bool_)
        for mask, image in zip(masks, self._image[indices], strict=True):
            if image < len(self._cells):
                kind, seed = self._cells[image]
                mask[:] = render(kind, seed, size=self._size).mask
        return masks


def class_counts(images_per_class: int, imbalance: float) -> list[int]:
    """Return the number of cells per class, at least one: a geometric decline from the first class to ``1 - imbalance``
    of it in the last."""
    last = len(CLASSES) - 1
    return [max(1, round(images_per_class * (1 - imbalance) ** (k / last))) for k in range(len(CLASSES))]
