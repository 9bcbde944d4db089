"""What the cleaners do. Each looks at the original groups only and skips what is gone already, so their order decides
who names an image, never whether it goes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellcls.api import Decision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.copies import Groups

_log = logging.getLogger(__name__)


def duplicates(
    groups: Groups, labels: NDArray[np.int64], kept: NDArray[np.bool_], *, keep_first: bool
) -> list[Decision]:
    """Drop groups with several labels as a whole and, with ``keep_first``, all but the first image of the others."""
    conflicting = groups.conflicting(labels)
    decisions: list[Decision] = []
    for members in groups.copied():
        first = int(members[0])
        if conflicting[groups.group[first]]:
            count = len(np.unique(labels[members]))
            reason = f"one of {len(members)} copies that carry {count} different labels"
            decisions += _decide(groups, kept, members, "drop_duplicates", reason)
        elif keep_first:
            decisions += _decide(groups, kept, members[1:], "drop_duplicates", f"a copy of image {first}, same label")
    return decisions


def outliers(groups: Groups, kept: NDArray[np.bool_], *, times: float) -> list[Decision]:
    """Drop groups repeated far above the rest as a whole."""
    far_above = groups.far_above_the_rest(times)
    decisions: list[Decision] = []
    for members in groups.copied():
        if far_above[groups.group[members[0]]]:
            reason = f"a picture that is there {len(members)} times, far above the rest"
            decisions += _decide(groups, kept, members, "drop_outliers", reason)
    return decisions


def listed(groups: Groups, kept: NDArray[np.bool_], *, ranges: Sequence[tuple[int, int]]) -> list[Decision]:
    """Drop the images in ``ranges`` (first, last), both included."""
    chosen = np.zeros(len(groups), dtype=np.bool_)
    for first, last in ranges:
        chosen[first : last + 1] = True
        if last >= len(groups):
            _log.warning("drop_indices: [%d, %d] reaches beyond the set's %d images", first, last, len(groups))
    return _decide(groups, kept, np.flatnonzero(chosen), "drop_indices", "listed in `ranges`")


def _decide(groups: Groups, kept: NDArray[np.bool_], members: Iterable[int], rule: str, reason: str) -> list[Decision]:
    return [Decision(int(index), groups.hashes[index], rule, reason) for index in members if kept[index]]
