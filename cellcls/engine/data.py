"""From a recipe's data set to clean, parted images, with a record of every decision."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Decision, Source, changed
from cellcls.engine.skipped import left_out, left_out_by_class, skipped_of, warn_of_skipped
from cellcls.errors import DataError, RecipeError
from cellcls.ops.curation.belonging import values_of
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.split import split
from cellcls.ops.storage.files import cache_folder
from cellcls.ops.storage.hashing import data_hash, source_hashes
from cellcls.recipe import PARTS, Recipe, Split
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
    parts = _parts(inputs, source, groups, kept)
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


def _parts(inputs: Inputs, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> dict[str, Indices]:
    rule = inputs.recipe.split
    by_class = left_out_by_class(source)
    together = None if rule.group is None else values_of(rule.group, source.columns, source.names)

    def cut(among: NDArray[np.bool_], test: float) -> dict[str, Indices]:
        shares = {"val": rule.val, "test": test}
        found = split(
            groups,
            source.labels,
            among,
            source.class_names,
            **shares,
            seed=rule.seed,
            left_out=by_class,
            together=together,
        )
        if together is not None:
            _warn_of_shares(rule, found, shares)
        return found

    if source.parts is None:
        return cut(kept, rule.test)
    if changed(rule, group=None) != Split() and not inputs.given:
        raise RecipeError(
            f"the data set `{inputs.recipe.dataset.component_name}` brings its own train, val and test",
            "remove the section [split] from the recipe",
        )
    if rule.test != Split().test:
        _log.warning("the data set given with --data brings its own parts: [split] test = %g is not used", rule.test)
    parts = {part: np.flatnonzero((source.parts == part) & kept) for part in PARTS}
    if not len(parts["train"]):
        raise DataError("the data set's own train part is empty")
    if together is not None:
        _refuse_crossing(inputs, rule, parts, together)
    if not len(parts["val"]) and rule.val:
        _log.warning("the data set brings no val part: %g of each class of its train part is taken", rule.val)
        of_train = (source.parts == "train") & kept
        taken = cut(of_train, 0.0)
        parts |= {"train": taken["train"], "val": taken["val"]}
    return parts


def _warn_of_shares(rule: Split, parts: dict[str, Indices], shares: dict[str, float]) -> None:
    total = sum(map(len, parts.values()))
    for part, share in shares.items():
        there = len(parts[part]) / total
        if abs(there - share) > share / 2:
            told = "%s is %.0f%% of the images instead of %.0f%%, as groups are kept together ([split] group = %r)"
            _log.warning(told, part, 100 * there, 100 * share, rule.group)


def _refuse_crossing(inputs: Inputs, rule: Split, parts: dict[str, Indices], together: Sequence[str]) -> None:
    """Raise ``DataError`` if the data set's own parts share a group."""
    held = {part: {together[index] for index in indices.tolist()} for part, indices in parts.items()}
    crossing = sorted({value for one, other in combinations(PARTS, 2) for value in held[one] & held[other]})
    if crossing:
        shown = ", ".join(f"`{value}`" for value in crossing[:5]) + (", ..." if len(crossing) > 5 else "")
        raise DataError(
            f"{inputs.path}: {len(crossing):,} of {len(set(together)):,} groups ([split] group = {rule.group!r}) are "
            f"in several of its own parts: {shown}",
            "move each group into one part, or remove the parts, and [split] makes them",
        )


def evenly_spaced(indices: Indices, most: int) -> Indices:
    """Return at most ``most`` of ``indices``, evenly spaced."""
    return indices[np.linspace(0, len(indices) - 1, min(len(indices), most)).round().astype(np.int64)]
