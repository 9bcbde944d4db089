"""Train, val and test of a run: the data set's own parts, or those that ``[split]`` makes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cellcls.api import Source, changed
from cellcls.engine.skipped import left_out_by_class
from cellcls.errors import DataError, RecipeError
from cellcls.ops.curation.belonging import values_of
from cellcls.ops.curation.copies import Groups
from cellcls.ops.curation.folds import split_fold
from cellcls.ops.curation.split import split
from cellcls.recipe import PARTS, Split
from cellcls.runs.inputs import Inputs

_log = logging.getLogger(__name__)
_Indices = NDArray[np.int64]


def split_parts(inputs: Inputs, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> dict[str, _Indices]:
    """Return the parts of the ``kept`` images (N,): the data set's own, or those of ``[split]``.

    Raises ``DataError`` and ``RecipeError``.
    """
    rule = inputs.recipe.split
    by_class = left_out_by_class(source)
    together = None if rule.group is None else values_of(rule.group, source.columns, source.names)

    def cut(among: NDArray[np.bool_], test: float) -> dict[str, _Indices]:
        shares = {"val": rule.val, "test": test}
        if rule.folds is not None:
            return split_fold(
                groups,
                source.labels,
                among,
                source.class_names,
                fold=rule.fold or 1,
                folds=rule.folds,
                val=rule.val,
                seed=rule.seed,
                together=together,
            )
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
    if rule.folds is not None:
        raise RecipeError(
            f"the data set `{inputs.recipe.dataset.component_name}` brings its own train, val and test, so that no "
            "folds can be made",
            "remove `folds` from [split], or the parts from the data set",
        )
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


def _warn_of_shares(rule: Split, parts: dict[str, _Indices], shares: dict[str, float]) -> None:
    total = sum(map(len, parts.values()))
    for part, share in shares.items():
        there = len(parts[part]) / total
        if abs(there - share) > share / 2:
            told = "%s is %.0f%% of the images instead of %.0f%%, as groups are kept together ([split] group = %r)"
            _log.warning(told, part, 100 * there, 100 * share, rule.group)


def _refuse_crossing(inputs: Inputs, rule: Split, parts: dict[str, _Indices], together: Sequence[str]) -> None:
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
