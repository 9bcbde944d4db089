"""Cleaners: what to drop of a set because it is there twice, is no cell, or is known to be bad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cellcls.api import Cleaner, component, param

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellcls.api import Decision, Source
    from cellcls.ops.copies import Groups


@component("drop_duplicates")
class DropDuplicates(Cleaner):
    """Drop byte-equal copies; where copies carry different labels nobody knows which is right, so all of them go."""

    agreeing: Literal["keep_first", "keep_all"] = param(
        default="keep_first", help="Copies under one label: keep the first image, or all of them."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. The first image is the first of the original group, whatever other cleaners dropped of it."""
        from cellcls.builtin.cleaners.rules import duplicates

        return duplicates(groups, source.labels, kept, keep_first=self.agreeing == "keep_first")


@component("drop_outliers")
class DropOutliers(Cleaner):
    """Drop pictures repeated far above the rest: they are put in, not photographed. All their copies go."""

    times: float = param(
        default=10.0, ge=2, help="How many times the copies of the 90th-percentile picture (mostly 1) are too many."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide by ``Groups.far_above_the_rest``."""
        from cellcls.builtin.cleaners.rules import outliers

        return outliers(groups, kept, times=self.times)


@component("drop_indices")
class DropIndices(Cleaner):
    """Drop images by their position, as a report states them."""

    ranges: tuple[tuple[int, int], ...] = param(help="Pairs first, last (0-based, last included): [[11958, 13758]].")

    def __attrs_post_init__(self) -> None:
        """Refuse a range that is none. Raises ``ValueError``."""
        for first, last in self.ranges:
            if not 0 <= first <= last:
                raise ValueError(f"`ranges` needs 0 <= first <= last, not [{first}, {last}]")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. What of a range lies behind the end of the set is left aside, with a warning in the log."""
        from cellcls.builtin.cleaners.rules import listed

        return listed(groups, kept, ranges=self.ranges)
