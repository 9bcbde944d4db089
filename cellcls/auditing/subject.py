"""The set that is looked at: opened leniently, read once, and what one pass over its pixels told."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Dataset, Source, changed
from cellcls.errors import DataError
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.survey import Survey, survey
from cellcls.ops.storage.files import cache_folder, printable
from cellcls.ops.storage.hashing import data_hash
from cellcls.registry import Registry
from cellcls.runs.inputs import datasets, open_given, recognised

SIZE = 96
"""Pixels a side that pictures of differing sizes are brought to."""

Seen = Callable[[str, int, int], None]
"""Is told what is going on, how much of it is done and how much there is."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class Subject:
    """A set and what one pass over it told."""

    path: Path
    dataset: Dataset
    source: Source
    survey: Survey
    groups: Groups

    @property
    def name(self) -> str:
        """What the set is called."""
        return printable(self.path.stem if self.path.is_file() else self.path.resolve().name)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes."""
        return self.source.class_names

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class of each image."""
        return self.source.labels

    @cached_property
    def hash(self) -> str:
        """The set's hash: its images in their order, their labels, the names of the classes."""
        return data_hash(self.survey.hashes, self.labels, self.classes)

    def __len__(self) -> int:
        return len(self.source)

    def file(self, index: int) -> str:
        """Return the name of an image's file, empty where it has none."""
        names = self.source.names
        return "" if names is None else names[index]

    def part(self, index: int) -> str:
        """Return the part an image is in, empty where the set brings none."""
        parts = self.source.parts
        return "" if parts is None else str(parts[index])

    def class_name(self, index: int) -> str:
        """Return the name of an image's class."""
        return self.classes[int(self.labels[index])]


def open_subject(path: Path, dataset: Dataset, seen: Seen) -> Subject:
    """Open the set that ``find_dataset`` found at ``path``, and read all of it once.

    Pictures that cannot be read are left out and listed. Raises ``DataError`` where there is nothing to look at.
    """
    if hasattr(dataset, "on_bad_image"):
        dataset = changed(dataset, on_bad_image="skip")
    shown = printable(path)
    seen(f"opening {shown}", 0, 0)
    source = dataset.build(path=path, size=SIZE, interpolation="bilinear", cache=cache_folder())
    count = len(source)

    def read_so_far(done: int) -> None:
        seen(f"reading {shown}", done, count)
        source.release_memory()  # each image is read once

    found = survey(source.read, count, read_so_far, hashes=source.hashes)
    return Subject(path=path, dataset=dataset, source=source, survey=found, groups=group_by_hash(found.hashes))


def find_dataset(path: Path, registry: Registry) -> Dataset:
    """Return the data set that ``path`` is: whatever ``--data`` would take, or a folder of pictures without classes.

    Nothing is read yet. Raises ``MissingInputError`` where nothing is there, ``DataError`` where it is no data set.
    """
    pictures: Any = next((cls for cls in datasets(registry) if cls.any_pictures), None)
    if path.is_dir() and pictures is not None and recognised(path, registry) is None:
        return cast("Dataset", pictures(file=path))
    if path.suffix == ".toml":
        raise DataError(f"{path}: a recipe, not a data set", f"audit what it trains on; cellcls show {path} names it")
    return open_given(path, registry)
