"""Splitting a data set into train, val and test, stratified by class and grouped by content and, say, patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellcls.errors import DataError, RecipeError
from cellcls.ops.classes import PARTS
from cellcls.ops.curation.grouped import MAX_NAMES, assigned, group_counts, rank, refuse_missing
from cellcls.ops.curation.together import components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.curation.copies import Groups


def split(
    groups: Groups,
    labels: NDArray[np.int64],
    kept: NDArray[np.bool_],
    class_names: Sequence[str],
    *,
    val: float,
    test: float,
    seed: int,
    left_out: Mapping[str, str] | None = None,
    together: Sequence[str] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Return the ascending indices of ``train``, ``val`` and ``test``, which partition the ``kept`` images.

    Within a class, groups of equal content are assigned in the order of hash(``seed``, content): to test until its
    share is reached, then to val, the remaining ones to train. Copies are never in different parts, and the assignment
    does not depend on the index. Groups with conflicting labels and overrepresented ones are always in train and do not
    count towards a share, so that differently cleaned versions of a data set have nearly the same test images.

    ``together`` (N,): what images belong to, such as a patient; images that share it or their content are in one part,
    with the classes balanced as far as possible. A group with an image that is always in train is there as a whole.

    ``labels`` (N,) in 0..K-1, ``kept`` (N,), ``val`` and ``test``: shares in [0, 1). A part with a share of 0 is empty;
    every other part gets at least one group of each class. ``left_out``: what was skipped of a class, for messages.
    Raises ``RecipeError`` if the shares leave nothing for train, ``DataError`` if a class would be missing in a part.
    """
    if min(val, test) < 0 or val + test >= 1:
        raise RecipeError(f"[split] val = {val:g} and test = {test:g} leave nothing to train on", "make them smaller")
    part = np.zeros(len(groups), dtype=np.int64)  # 0, 1, 2: train, val, test
    always_train = (groups.conflicting(labels) | groups.overrepresented())[groups.group]
    if together is not None:
        held = np.flatnonzero(kept)
        group = components(groups.group[held], [together[index] for index in held.tolist()])
        counts = group_counts(group, labels[held], len(class_names))
        shares = (1 - val - test, val, test)
        hashes = [groups.hashes[index] for index in held]
        part_of_group = assigned(group, counts, always_train[held], hashes, shares, seed)
        refuse_missing(part_of_group, counts, class_names, dict(zip(PARTS, shares, strict=True)))
        part[held] = part_of_group[group]
        return _indices(part, kept)
    for number in range(len(class_names)):
        members = np.flatnonzero(kept & ~always_train & (labels == number))
        part[members] = _cut(groups, members, val=val, test=test, seed=seed)
    parts = _indices(part, kept)
    _refuse_empty(parts, labels, class_names, {"train": 1.0, "val": val, "test": test}, left_out or {})
    return parts


def _indices(part: NDArray[np.int64], kept: NDArray[np.bool_]) -> dict[str, NDArray[np.int64]]:
    return {name: np.flatnonzero(kept & (part == place)).astype(np.int64) for place, name in enumerate(PARTS)}


def _cut(groups: Groups, members: NDArray[np.int64], *, val: float, test: float, seed: int) -> NDArray[np.int64]:
    """Return the part (n,) of each image of a class, given as ascending indices ``members`` (n,)."""
    numbers, inverse, counts = np.unique(groups.group[members], return_inverse=True, return_counts=True)
    contents = [groups.hashes[index] for index in groups.firsts()[numbers]]
    part_of_group = np.zeros(len(numbers), dtype=np.int64)
    place = iter(sorted(range(len(numbers)), key=lambda group: rank(seed, contents[group])))
    left = len(numbers) - 1  # reserves one group for train, and one for val if it has a share
    for part, share, reserved in ((2, test, int(val > 0)), (1, val, 0)):
        wanted = max(1, round(share * len(members))) if share else 0
        while wanted > 0 and left > reserved:
            group = next(place)
            part_of_group[group] = part
            wanted -= int(counts[group])
            left -= 1
    return part_of_group[inverse]


def _refuse_empty(
    parts: dict[str, NDArray[np.int64]],
    labels: NDArray[np.int64],
    class_names: Sequence[str],
    shares: dict[str, float],
    left_out: Mapping[str, str],
) -> None:
    counts = {name: np.bincount(labels[indices], minlength=len(class_names)) for name, indices in parts.items()}
    problems = []
    for number, class_name in enumerate(class_names):
        empty = [name for name in PARTS if shares[name] and not counts[name][number]]
        if empty:
            total = sum(int(count[number]) for count in counts.values())
            why = f" ({left_out[class_name]})" if class_name in left_out else ""
            problems.append(
                f"class `{class_name}` has {total} image{'s' * (total != 1)} left, none for {' and '.join(empty)}{why}"
            )
    more = len(problems) - MAX_NAMES
    if problems:
        raise DataError(
            "the set cannot be split: " + "; ".join(problems[:MAX_NAMES]) + (f"; {more} more" if more > 0 else ""),
            "each part needs an image of each class that is not a copy of one in another part: add images",
            "or remove the class, name only existing classes (`classes`), or set val or test to 0 in [split]",
        )
