"""Cleaners: what to drop of a set because it is there twice, is no cell, or is known to be bad."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cellcls.api import Cleaner, Dataset, component, param
from cellcls.ops.curation.thresholds import MAX_DISTANCE, SIMILARITY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellcls.api import Decision, Source
    from cellcls.ops.curation.copies import Groups


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


@component("drop_near_duplicates")
class DropNearDuplicates(Cleaner):
    """Drop near copies: the same image turned, mirrored, shifted, cropped, recompressed, lighter or darker. Where
    they carry different labels, all of them go. Byte-equal copies alone are left to ``drop_duplicates``."""

    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="From which correlation of details on two images count as near copies."
    )
    agreeing: Literal["keep_first", "keep_all"] = param(
        default="keep_first", help="Near copies under one label: keep the first image, or all of them."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Reads every image once. Raises what the source raises where it cannot be read."""
        from cellcls.builtin.cleaners.rules import near_duplicates
        from cellcls.ops.curation.near_copies import find_near_copies
        from cellcls.ops.curation.perceptual import read_fingerprints

        pairs = find_near_copies(read_fingerprints(source.read, groups.firsts()), similarity=self.similarity)
        return near_duplicates(pairs, groups, source.labels, kept, keep_first=self.agreeing == "keep_first")


@component("drop_leaks")
class DropLeaks(Cleaner):
    """Drop copies, byte-equal or near, of what lies in another part, where the data set brings its own train, val and
    test: what is tested on must not be trained on. Without such parts it drops nothing."""

    keep: Literal["test", "train"] = param(
        default="test", help="Which part keeps the image: test before val before train, or the other way round."
    )
    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="From which correlation of details on two images count as near copies."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Reads every image once. Raises what the source raises where it cannot be read."""
        from cellcls.builtin.cleaners.rules import leaks
        from cellcls.ops.curation.near_copies import find_near_copies
        from cellcls.ops.curation.perceptual import read_fingerprints

        if source.parts is None:
            return []
        order = ("test", "val", "train") if self.keep == "test" else ("train", "val", "test")
        pairs = find_near_copies(read_fingerprints(source.read, groups.firsts()), similarity=self.similarity)
        return leaks(pairs, groups, source.parts, kept, keep=order)


@component("drop_shared")
class DropShared(Cleaner):
    """Drop images, byte-equal or near ones, that another data set holds too: of a set that is trained on what a set
    from elsewhere is to test."""

    against: Dataset = param(help='The other set, as in [dataset]: { use = "npz", file = "other.npz" }.')
    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="From which correlation of details on two images count as near copies."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Reads every image of both sets once. Raises what the sources raise where they cannot be read."""
        import numpy as np

        from cellcls.builtin.cleaners.rules import shared
        from cellcls.ops.storage.files import cache_folder

        side = source.read(np.zeros(1, dtype=np.intp)).shape[1]
        file = getattr(self.against, "file", None)
        other = self.against.build(path=file, size=side, interpolation="bilinear", cache=cache_folder())
        return shared(source, other, groups, kept, similarity=self.similarity)


@component("drop_outliers")
class DropOutliers(Cleaner):
    """Drop images repeated far above the rest: they are put in, not photographed. All their copies go."""

    times: float = param(
        default=10.0, ge=2, help="How many times the copies of the 90th-percentile image (mostly 1) are too many."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide by ``Groups.overrepresented``."""
        from cellcls.builtin.cleaners.rules import outliers

        return outliers(groups, kept, times=self.times)


@component("drop_suspects")
class DropSuspects(Cleaner):
    """Drop images that are probably no cells, or damaged: each rule is relative to the set's median. Look at them
    first (``cellcls audit``): a rare cell is rare, and no fault."""

    rules: tuple[Literal["dark", "bright", "blank", "blurred", "harsh", "grey", "odd_size", "far_away"], ...] = param(
        default=("dark", "bright", "blank", "blurred", "harsh", "grey", "odd_size", "far_away"),
        help="Which rules drop an image; the audit says what each means.",
    )
    max_distance: float = param(
        default=MAX_DISTANCE, gt=0, help="How many robust standard deviations from the other images are `far_away`."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Reads every image once. Raises what the source raises where it cannot be read."""
        from cellcls.builtin.cleaners.rules import suspicious
        from cellcls.ops.curation.image_statistics import read_statistics
        from cellcls.ops.curation.suspects import suspects

        statistics = read_statistics(source.read, len(source))
        found = suspects(statistics, groups, sizes=source.sizes, max_distance=self.max_distance)
        return suspicious([one for one in found if one.rule in self.rules], groups, kept)


@component("drop_wrong_labels")
class DropWrongLabels(Cleaner):
    """Drop images whose label is probably wrong, by confident learning over statistics of colour and texture. Hard
    cells go too: of 5% of labels flipped among real ones it dropped 85%, and one right label for five wrong ones."""

    margin: float = param(
        default=0.99, ge=0, le=1, help="How much likelier than the given class another must be for a label to be wrong."
    )
    seed: int = param(default=0, ge=0, help="Seed of the folds: no image is judged by a classifier that saw it.")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Reads every image once. Raises what the source raises where it cannot be read."""
        from cellcls.builtin.cleaners.rules import wrongly_labelled
        from cellcls.ops.curation.survey import survey

        seen = survey(source.read, len(source), hashes=groups.hashes)
        return wrongly_labelled(seen, source, groups, kept, margin=self.margin, seed=self.seed)


@component("decisions")
class Decisions(Cleaner):
    """Drop what a person decided on: replays the `decisions.csv` of an audit, by content hash, and refuses where the
    data changed since."""

    file: Path = param(help="The decisions.csv, beside the recipe or in a folder that data is looked for in.")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. Raises ``MissingInputError`` and ``DataError``."""
        from cellcls.builtin.cleaners.rules import decided

        return decided(self.file, source, groups, kept)


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
