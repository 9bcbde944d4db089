"""The challenge's layout: images and labels in one npz."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cellcls.builtin.datasets.arrays import ArraySource, name_classes, read_labels, refuse_gaps
from cellcls.errors import DataError
from cellcls.ops.classes import CLASSES
from cellcls.ops.storage import npz

_log = logging.getLogger(__name__)
_NAMES = "class_names"
_NAMES_LIMIT = 1 << 20


def open_npz(path: Path, images: str, labels: str, classes: Sequence[str] | None, cache: Path) -> ArraySource:
    """Open an npz by the names of its arrays. ``classes``: as the recipe names them. Raises ``DataError``."""
    found = npz.image_member(path, images)
    numbers = read_labels(path, labels, found.shape[0])
    named = classes or _names_within(path)
    if named is None:
        refuse_gaps(path, labels, numbers)
    names = name_classes(path, numbers, named, blood_cells=numbers.max() < len(CLASSES))
    return ArraySource([npz.memory_mapped(found, cache=cache)], numbers, names)


def _names_within(path: Path) -> tuple[str, ...] | None:
    if _NAMES not in npz.keys(path):
        return None
    found = npz.member(path, _NAMES, objects=True)
    if found.dtype.kind not in "US" or len(found.shape) != 1:
        _log.warning("%s: `%s` is %s %s and not used: no list of texts", path, _NAMES, found.dtype, found.shape)
        return None
    names = npz.load(found, limit=_NAMES_LIMIT)
    try:
        texts = np.char.decode(names, "utf-8") if found.dtype.kind == "S" else names
        "".join(texts.tolist()).encode()  # refuses half of a character too
    except UnicodeError as error:
        raise DataError(f"{path}: `{_NAMES}` is not UTF-8: {error}", "write it as an array of texts") from error
    return tuple(texts.tolist())
