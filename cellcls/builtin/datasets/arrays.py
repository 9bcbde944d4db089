"""Shared by data sets stored as arrays: checks of images, labels and class names, and a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellcls.api import Source
from cellcls.errors import CellclsError, DataError
from cellcls.ops.classes import CLASSES, canonical, clash
from cellcls.ops.storage import npz
from cellcls.ops.storage.cache import unmap

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_CLASSES = 10_000
_SMALL = 1 << 26


class ArraySource(Source):
    """Images in one or several consecutive arrays (n, H, W[, 1 or 3]) uint8, usually memory-mapped."""

    def __init__(
        self,
        arrays: Sequence[NDArray[np.uint8]],
        labels: NDArray[np.int64],
        class_names: tuple[str, ...],
        parts: NDArray[np.str_] | None = None,
    ) -> None:
        self.labels = labels
        self.class_names = class_names
        self.parts = parts
        self._arrays = tuple(arrays)
        self._starts = np.cumsum([0, *map(len, arrays)])

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3), RGB, 0..255, in the order of ``indices``."""
        if len(self._arrays) == 1:
            return _as_rgb(self._arrays[0][indices])
        images = np.empty((len(indices), *self._arrays[0].shape[1:]), dtype=np.uint8)
        holder = np.searchsorted(self._starts, indices, side="right") - 1
        for number in np.unique(holder):
            here = holder == number
            images[here] = self._arrays[number][indices[here] - self._starts[number]]
        return _as_rgb(images)

    def release_memory(self) -> None:
        """Release the resident pages of memory-mapped arrays."""
        for array in self._arrays:
            unmap(array)


def _as_rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if images.ndim == 3:
        images = images[..., None]
    return images if images.shape[-1] == 3 else np.repeat(images, 3, axis=-1)


def has_keys(path: Path, wanted: Sequence[str]) -> bool:
    """Return whether ``path`` is an npz file with the arrays ``wanted``; reads only its directory."""
    try:
        return path.is_file() and set(wanted) <= set(npz.keys(path))
    except CellclsError:
        return False


def read_labels(path: Path, key: str, count: int) -> NDArray[np.int64]:
    """Return the labels (``count``,) from an array (N,) or (N, 1). Raises ``DataError``."""
    found = npz.member(path, key)
    where = f"{path}: `{key}` is {found.dtype} {found.shape}"
    if found.shape not in ((count,), (count, 1)):
        one_hot = len(found.shape) == 2 and found.shape[0] == count and found.shape[1] > 1
        hint = _of_many_columns(key, found) if one_hot else "give each image exactly one label"
        raise DataError(f"{where}; {count} images need labels ({count},)", hint)
    if found.dtype.kind in "US":
        raise DataError(
            f"{where}, texts; labels must be integers, 0 to K-1",
            f"number the classes: numpy.unique({key}, return_inverse=True) gives class_names and {key}; write both",
        )
    if found.dtype.kind not in "iu":
        raise DataError(f"{where}; labels must be integers, 0 to K-1", f"write it as {key}.astype(numpy.int64)")
    labels = npz.load(found).reshape(-1)
    wrong = np.flatnonzero((labels < 0) | (labels >= _MOST_CLASSES))
    if len(wrong):
        raise DataError(
            f"{path}: `{key}`: image {wrong[0]} has label {labels[wrong[0]]}; labels must be 0 to K-1",
            _without_gaps(key, labels),
        )
    return labels.astype(np.int64)


def _of_many_columns(key: str, found: npz.Member) -> str:
    if found.dtype.kind in "iufb" and found.nbytes <= _SMALL:
        rows = npz.load(found)
        if ((rows == 0) | (rows == 1)).all() and (rows.sum(1) == 1).all():
            return f"each row marks one class: {key}.argmax(1)"
    return "give each image exactly one label; multi-label data sets are not supported"


def _without_gaps(key: str, labels: NDArray[np.integer]) -> str:
    values = np.unique(labels)
    if len(values) == int(values[-1]) - int(values[0]) + 1:
        first = int(values[0])
        return f"number the classes from 0: {key} {'-' if first > 0 else '+'} {abs(first)}"
    return f"number the classes from 0 without gaps: numpy.unique({key}, return_inverse=True)[1]"


def refuse_gaps(path: Path, key: str, labels: NDArray[np.int64]) -> None:
    """Raise ``DataError`` if unnamed classes beyond the eight blood cells have gaps in their numbering."""
    values = np.unique(labels)
    if len(values) <= int(values[-1]) and int(values[-1]) >= len(CLASSES):
        shown = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        raise DataError(
            f"{path}: `{key}` has {len(values)} different labels, {shown}; labels must be 0 to K-1",
            _without_gaps(key, labels),
            "or, if classes without images are intended, name all of them: `classes`, or `class_names` in the file",
        )


def name_classes(
    path: Path, labels: NDArray[np.int64], names: Sequence[str] | None, *, blood_cells: bool
) -> tuple[str, ...]:
    """Return the class names: canonical ``names`` if given, else the eight blood cells if ``blood_cells``, else
    class_0, class_1, ... Raises ``DataError`` if there are too few ``names`` or duplicates."""
    count = int(labels.max()) + 1
    if names is None:
        return CLASSES if blood_cells else tuple(f"class_{number}" for number in range(count))
    canonical_names = tuple(map(canonical, names))
    same = clash(names)
    if same:
        raise DataError(
            f"{path}: the class names {same[0]!r} and {same[1]!r} mean one class (`{canonical(same[0])}`)",
            "name different classes, in the order of the labels",
        )
    if len(names) < count or len(set(canonical_names)) < len(names):
        raise DataError(
            f"{path}: its labels go up to {count - 1}, but the classes are named {', '.join(names) or 'not at all'}",
            f"name {count} different classes, in the order of the labels",
        )
    return canonical_names
