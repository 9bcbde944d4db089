"""The audited data set: opened leniently and surveyed in a single pass over its images."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Dataset, Input, Source
from cellcls.errors import DataError
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.survey import Survey, survey
from cellcls.ops.storage.files import cache_folder, printable
from cellcls.ops.storage.hashing import data_hash
from cellcls.registry import Registry
from cellcls.runs.inputs import datasets, open_given, recognised

SIZE = 96
"""Side in pixels to which images of differing sizes are resized."""

Progress = Callable[[str, int, int], None]
"""Reports progress: what is being done, the number of items done and their total (0: unknown)."""


@attrs.frozen(kw_only=True, eq=False, slots=False)
class AuditedDataset:
    """A data set with the results of one pass over its images."""

    path: Path
    dataset: Dataset
    source: Source
    survey: Survey
    groups: Groups

    @property
    def name(self) -> str:
        """Display name."""
        return printable(self.path.stem if self.path.is_file() else self.path.resolve().name)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return self.source.class_names

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) class of each image."""
        return self.source.labels

    @cached_property
    def hash(self) -> str:
        """Hash of images, labels and class names, in order."""
        return data_hash(self.survey.hashes, self.labels, self.classes)

    def __len__(self) -> int:
        return len(self.source)

    def file(self, index: int) -> str:
        """Return the file name of an image, "" if it has none."""
        names = self.source.names
        return "" if names is None else names[index]

    def part(self, index: int) -> str:
        """Return the part of an image, "" if the data set comes without parts."""
        parts = self.source.parts
        return "" if parts is None else str(parts[index])

    def class_name(self, index: int) -> str:
        """Return the class name of an image."""
        return self.classes[int(self.labels[index])]


def open_dataset(path: Path, dataset: Dataset, progress: Progress) -> AuditedDataset:
    """Open the data set that ``find_dataset`` found at ``path`` and read all its images once.

    Images that cannot be read are skipped and listed. Raises ``DataError`` if there are no readable images.
    """
    shown = printable(path)
    progress(f"opening {shown}", 0, 0)
    source = dataset.leniently().build(path=path, input=Input(size=SIZE), cache=cache_folder())
    count = len(source)

    def on_read(done: int) -> None:
        progress(f"reading {shown}", done, count)
        source.release_memory()  # each image is read once

    surveyed = survey(source.read, count, on_read, hashes=source.hashes)
    groups = group_by_hash(surveyed.hashes)
    return AuditedDataset(path=path, dataset=dataset, source=source, survey=surveyed, groups=groups)


def find_dataset(path: Path, registry: Registry) -> Dataset:
    """Return the data set at ``path``: anything that ``--data`` accepts, or a folder of images without classes.

    No image is read. Raises ``MissingInputError`` if ``path`` does not exist, ``DataError`` if it is not a data set.
    """
    fallback = next((cls for cls in datasets(registry) if cls.accepts_any_images), None)
    if path.is_dir() and fallback is not None and recognised(path, registry) is None:
        return fallback.at(path)
    if path.suffix == ".toml":
        raise DataError(f"{path}: a recipe, not a data set", f"audit its data set instead; see cellcls show {path}")
    return open_given(path, registry)
