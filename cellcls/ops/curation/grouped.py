"""Assigning groups of images to parts or folds: in the order of a seed, refused with figures where it is impossible."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellcls.errors import DataError
from cellcls.ops.curation.together import assign

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NAMES = 8
"""Maximum number of classes listed in a message."""


def rank(seed: int, content: str) -> bytes:
    """Return the place of a content in the order that a seed makes."""
    return hashlib.blake2b(f"{seed} {content}".encode(), digest_size=16).digest()


def group_counts(group: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the number of images of each class in each group (G, K)."""
    counts = np.zeros((int(group.max()) + 1, classes), dtype=np.int64)
    np.add.at(counts, (group, labels), 1)
    return counts


def assigned(
    group: NDArray[np.int64],
    counts: NDArray[np.int64],
    always_train: NDArray[np.bool_],
    hashes: Sequence[str],
    shares: Sequence[float],
    seed: int,
) -> NDArray[np.int64]:
    """Return the part (G,) of each group of n images.

    ``group`` (n,), ``counts`` (G, K), ``hashes`` (n,): as of the images; ``always_train`` (n,).
    """
    content = [""] * len(counts)
    for number, value in zip(group.tolist(), hashes, strict=True):
        content[number] = max(content[number], value)  # does not depend on the order of images
    free = np.setdiff1d(np.arange(len(counts)), group[always_train])
    part = np.zeros(len(counts), dtype=np.int64)
    if not len(free):
        return part
    part[free] = assign(
        counts[free],
        shares,
        lambda attempt: sorted(
            range(len(free)), key=lambda place: rank(seed, f"{attempt or ''}{content[int(free[place])]}")
        ),
    )
    return part


def refuse_missing(
    part: NDArray[np.int64], counts: NDArray[np.int64], class_names: Sequence[str], shares: Mapping[str, float]
) -> None:
    """Raise ``DataError`` if a class is missing in a part with a share."""
    problems = []
    for number, class_name in enumerate(class_names):
        of_class = counts[:, number]
        empty = [name for place, name in enumerate(shares) if shares[name] and not of_class[part == place].sum()]
        if empty:
            problems.append(
                f"class `{class_name}` has {of_class.sum():,} images in {np.count_nonzero(of_class):,} of "
                f"{len(counts):,} groups, none for {' and '.join(empty)}"
            )
    more = len(problems) - MAX_NAMES
    if problems:
        raise DataError(
            "the set cannot be split with groups kept together: "
            + "; ".join(problems[:MAX_NAMES])
            + (f"; {more} more" if more > 0 else ""),
            "each part needs images of each class in groups of its own; groups with an image under several labels, or "
            "one repeated very often, are always in train",
            "set val or test to 0 in [split], make fewer folds, drop such images ([[cleaners]]), or add groups",
        )
