"""From a recipe's data set to clean, parted images, with a record of every decision."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Decision, Source
from cellcls.engine.parting import split_parts
from cellcls.engine.skipped import left_out, skipped_of, warn_of_skipped
from cellcls.errors import DataError
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.storage.files import cache_folder
from cellcls.ops.storage.hashing import data_hash, source_hashes
from cellcls.recipe import Recipe
from cellcls.runs.inputs import Inputs
from cellcls.runs.records import DataRecord

_log = logging.getLogger(__name__)
Indices = NDArray[np.int64]


@attrs.frozen(kw_only=True)
class Data:
    """The images of a run: a source, and which of its images are in which part."""

    source: Source
    hash: str
    parts: dict[str, Indices]
    decisions: tuple[Decision, ...]
    hashes: tuple[str, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.source.class_names

    def counts(self, indices: Indices) -> NDArray[np.int64]:
        """Return the number of images of each class (K,)."""
        return np.bincount(self.source.labels[indices], minlength=len(self.classes))

    def by_class(self, indices: Indices) -> dict[str, int]:
        """Return the number of images by the name of their class."""
        return self.named(self.counts(indices).tolist())

    def named(self, counts: Sequence[int]) -> dict[str, int]:
        """Return counts (K,) by the name of their class."""
        return dict(zip(self.classes, counts, strict=True))

    def record(self, dataset: str) -> DataRecord:
        """Return what ``data.json`` holds."""
        everything = np.arange(len(self.source))
        kept = np.sort(np.concatenate(list(self.parts.values())))
        counted = {"before": everything, "after": kept, **self.parts}
        names = self.source.names
        return DataRecord(
            hash=self.hash,
            dataset=dataset,
            classes=self.classes,
            n=len(self.source),
            names=None if names is None else tuple(names),
            decisions=self.decisions,
            bad_images=self.source.bad_images,
            skipped_files=skipped_of(self.source),
            counts={part: self.by_class(indices) for part, indices in counted.items()},
            trained_on=tuple(sorted({self.hashes[index] for index in self.parts["train"]})),
            parts={part: tuple(indices.tolist()) for part, indices in self.parts.items()},
        )


def open_source(inputs: Inputs) -> Source:
    """Open the data set. Raises ``DataError``."""
    recipe = inputs.recipe
    return recipe.dataset.build(path=inputs.path, input=recipe.input, cache=cache_folder())


def prepare(inputs: Inputs) -> Data:
    """Open the data set, drop what the cleaners drop, part the rest. Raises ``DataError`` and ``RecipeError``."""
    source = open_source(inputs)
    warn_of_skipped(source, inputs.path)
    _refuse_one_class(source, inputs.path)
    hashes = source_hashes(source)
    groups = group_by_hash(hashes)
    decisions = _clean(inputs.recipe, source, groups)
    kept = np.ones(len(source), dtype=bool)
    kept[[decision.index for decision in decisions]] = False
    if not kept.any():
        raise DataError(f"the cleaners dropped all {len(source):,} images", "look at the rules in [[cleaners]]")
    parts = split_parts(inputs, source, groups, kept)
    return Data(
        source=source,
        hash=data_hash(hashes, source.labels, source.class_names),
        parts=parts,
        decisions=decisions,
        hashes=hashes,
    )


def _refuse_one_class(source: Source, path: Path | None) -> None:
    there = np.unique(source.labels)
    if len(there) < 2:
        name = source.class_names[int(there[0])] if len(there) else "none"
        told = left_out(source)
        raise DataError(
            f"{path or 'the data set'}: all {len(source):,} images are of one class, `{name}`; telling classes apart "
            "needs two at least",
            "an npz: check how its labels were written; a folder: it needs a folder of pictures a class",
            *([told] if told else []),
        )


def _clean(recipe: Recipe, source: Source, groups: Groups) -> tuple[Decision, ...]:
    kept = np.ones(len(source), dtype=bool)
    decisions: list[Decision] = []
    for cleaner in recipe.cleaners:
        made = [
            decision
            for decision in cleaner.build(source=source, groups=groups, kept=kept.copy())
            if kept[decision.index]
        ]
        kept[[decision.index for decision in made]] = False
        decisions += made
    return tuple(decisions)


def evenly_spaced(indices: Indices, most: int) -> Indices:
    """Return at most ``most`` of ``indices``, evenly spaced."""
    return indices[np.linspace(0, len(indices) - 1, min(len(indices), most)).round().astype(np.int64)]
