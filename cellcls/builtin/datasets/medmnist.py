"""MedMNIST's layout: images and labels of train, val and test in one npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cellcls.builtin.datasets.arrays import ArraySource, name_classes, read_labels
from cellcls.errors import DataError
from cellcls.ops.classes import CLASSES
from cellcls.ops.storage import npz

_PARTS = ("train", "val", "test")
KEYS = tuple(f"{part}_{what}" for part in _PARTS for what in ("images", "labels"))
"""Names of the arrays in a MedMNIST file."""


def open_medmnist(path: Path, classes: Sequence[str] | None, cache: Path) -> ArraySource:
    """Open a MedMNIST file; the images of train, val and test are concatenated. Raises ``DataError``."""
    members = [npz.image_member(path, f"{part}_images") for part in _PARTS]
    shapes = {found.shape[1:] for found in members}
    if len(shapes) > 1:
        raise DataError(f"{path}: its parts differ in image shape: {sorted(shapes)}", "download the file again")
    counts = [found.shape[0] for found in members]
    labels = np.concatenate(
        [read_labels(path, f"{part}_labels", count) for part, count in zip(_PARTS, counts, strict=True)]
    )
    in_colour = members[0].shape[-1] == 3 and len(members[0].shape) == 4
    blood_cells = in_colour and labels.max() == len(CLASSES) - 1
    names = name_classes(path, labels, classes, blood_cells=blood_cells)
    arrays = [npz.memory_mapped(found, cache=cache) for found in members]
    return ArraySource(arrays, labels, names, np.repeat(np.array(_PARTS), counts))
