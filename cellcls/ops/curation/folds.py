"""Splitting a data set for cross-validation: every image that may be tested is tested in one fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellcls.ops.curation.grouped import assigned, group_counts, refuse_missing
from cellcls.ops.curation.together import components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.curation.copies import Groups


def split_fold(
    groups: Groups,
    labels: NDArray[np.int64],
    kept: NDArray[np.bool_],
    class_names: Sequence[str],
    *,
    fold: int,
    folds: int,
    val: float,
    seed: int,
    together: Sequence[str] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Return the ascending indices of ``train``, ``val`` and ``test`` of a fold, 1 to ``folds``.

    The test parts of all folds are disjoint. Images that share their content, or their value in ``together`` (N,), are
    in one fold; classes are balanced as far as possible. Groups with an image under several labels, or with an
    overrepresented one, are never tested. ``val``: share of each class, taken from what the fold does not test. Raises
    ``DataError`` if a class would be missing in a fold or part.
    """
    always_train = (groups.conflicting(labels) | groups.overrepresented())[groups.group]
    held = np.flatnonzero(kept)
    belonging = [] if together is None else [[together[index] for index in held.tolist()]]
    group = components(groups.group[held], *belonging)
    counts = group_counts(group, labels[held], len(class_names))
    hashes = [groups.hashes[index] for index in held]
    never = always_train[held]
    names = {f"fold {number}": 1 / folds for number in range(1, folds + 1)}
    fold_of = assigned(group, counts, never, hashes, list(names.values()), seed)
    fold_of[group[never]] = -1
    refuse_missing(fold_of, counts, class_names, names)
    tested = fold_of[group] == fold - 1
    of_rest = assigned(group, counts, never | tested, hashes, (1 - val, val), seed)
    of_rest[group[tested]] = 2
    refuse_missing(of_rest, counts, class_names, {"train": 1 - val, "val": val, "test": 1 / folds})
    return {name: held[of_rest[group] == place] for place, name in enumerate(("train", "val", "test"))}
