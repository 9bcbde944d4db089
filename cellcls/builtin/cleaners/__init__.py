"""Cleaners: drop images that are duplicated, mislabelled, damaged or not cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cellcls.api import Cleaner, Dataset, Input, component, param
from cellcls.ops.curation.thresholds import MAX_DISTANCE, SIMILARITY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellcls.api import Decision, Source
    from cellcls.ops.curation.copies import Groups


@component("drop_duplicates")
class DropDuplicates(Cleaner):
    """Drop exact copies. If copies have different labels, it is unknown which is right, so all of them are dropped."""

    agreeing: Literal["keep_first", "keep_all"] = param(
        default="keep_first", help="Copies under one label: keep the first image, or all of them."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. The image that is kept is the first of the group, even if already dropped."""
        from cellcls.builtin.cleaners.rules import duplicates

        return duplicates(groups, source.labels, kept, keep_first=self.agreeing == "keep_first")


@component("drop_near_duplicates")
class DropNearDuplicates(Cleaner):
    """Drop near copies: an image rotated, flipped, shifted, cropped, recompressed, brightened or darkened. If they have
    different labels, all of them are dropped. Exact copies are left to ``drop_duplicates``."""

    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="Minimum correlation of details of two images that count as near copies."
    )
    agreeing: Literal["keep_first", "keep_all"] = param(
        default="keep_first", help="Near copies under one label: keep the first image, or all of them."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Reads every image once. Raises the errors of reading the source."""
        from cellcls.builtin.cleaners.rules import near_duplicates
        from cellcls.ops.curation.near_copies import find_near_copies
        from cellcls.ops.curation.perceptual import read_fingerprints

        pairs = find_near_copies(read_fingerprints(source.read, groups.firsts()), similarity=self.similarity)
        return near_duplicates(pairs, groups, source.labels, kept, keep_first=self.agreeing == "keep_first")


@component("drop_leaks")
class DropLeaks(Cleaner):
    """Drop exact and near copies of images in another part, in data sets that come with train, val and test: test
    images must not be trained on. Does nothing for data sets without parts."""

    keep: Literal["test", "train"] = param(
        default="test", help="Which part keeps the image: test before val before train, or the reverse."
    )
    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="Minimum correlation of details of two images that count as near copies."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Reads every image once. Raises the errors of reading the source."""
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
    """Drop images with exact or near copies in another data set, such as one from elsewhere to be used for testing."""

    against: Dataset = param(help='The other set, as in [dataset]: { use = "npz", file = "other.npz" }.')
    similarity: float = param(
        default=SIMILARITY, ge=0.5, le=1, help="Minimum correlation of details of two images that count as near copies."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Reads all images of both data sets once. Raises the errors of reading them."""
        import numpy as np

        from cellcls.builtin.cleaners.rules import shared
        from cellcls.ops.storage.files import cache_folder

        side = source.read(np.zeros(1, dtype=np.intp)).shape[1]
        other = self.against.build(path=self.against.location(), input=Input(size=side), cache=cache_folder())
        return shared(source, other, groups, kept, similarity=self.similarity)


@component("drop_outliers")
class DropOutliers(Cleaner):
    """Drop overrepresented images with all their copies: they were inserted, not photographed."""

    times: float = param(
        default=10.0, ge=2, help="Minimum ratio to the number of copies of the 90th-percentile image (usually 1)."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop: see ``Groups.overrepresented``."""
        from cellcls.builtin.cleaners.rules import outliers

        return outliers(groups, kept, times=self.times)


@component("drop_suspects")
class DropSuspects(Cleaner):
    """Drop images that are probably damaged or not cells, by rules relative to the median of the data set. Review them
    first (``cellcls audit``): a rare cell may be unusual without being wrong."""

    rules: tuple[Literal["dark", "bright", "blank", "blurred", "harsh", "grey", "odd_size", "far_away"], ...] = param(
        default=("dark", "bright", "blank", "blurred", "harsh", "grey", "odd_size", "far_away"),
        help="Rules that drop an image; the audit describes each.",
    )
    max_distance: float = param(
        default=MAX_DISTANCE, gt=0, help="Robust standard deviations from other images that count as `far_away`."
    )

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Reads every image once. Raises the errors of reading the source."""
        from cellcls.builtin.cleaners.rules import suspicious
        from cellcls.ops.curation.image_statistics import read_statistics
        from cellcls.ops.curation.suspects import suspects

        statistics = read_statistics(source.read, len(source))
        matches = suspects(statistics, groups, sizes=source.sizes, max_distance=self.max_distance)
        return suspicious([suspect for suspect in matches if suspect.rule in self.rules], groups, kept)


@component("drop_wrong_labels")
class DropWrongLabels(Cleaner):
    """Drop images whose label is probably wrong, by confident learning on colour and texture statistics. Hard cells are
    dropped, too: with 5% of real labels flipped, it dropped 85% of these, and one correct label per five wrong ones."""

    margin: float = param(
        default=0.99, ge=0, le=1, help="Minimum difference in probability between the likelier class and the label."
    )
    seed: int = param(default=0, ge=0, help="Seed of the folds; each image is predicted out of fold.")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Reads every image once. Raises the errors of reading the source."""
        from cellcls.builtin.cleaners.rules import wrongly_labelled
        from cellcls.ops.curation.survey import survey

        surveyed = survey(source.read, len(source), hashes=groups.hashes)
        return wrongly_labelled(surveyed, source, groups, kept, margin=self.margin, seed=self.seed)


@component("decisions")
class Decisions(Cleaner):
    """Drop the images marked in the `decisions.csv` of an audit, matched by content hash. Refuses data that changed
    since."""

    file: Path = param(help="The decisions.csv, next to the recipe or in a data folder.")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Raises ``MissingInputError`` and ``DataError``."""
        from cellcls.builtin.cleaners.rules import decided

        return decided(self.file, source, groups, kept)


@component("drop_indices")
class DropIndices(Cleaner):
    """Drop images by index, as stated in a report."""

    ranges: tuple[tuple[int, int], ...] = param(
        help="Pairs of first and last index, 0-based and inclusive: [[11958, 13758]]."
    )

    def __attrs_post_init__(self) -> None:
        """Raise ``ValueError`` for an invalid range."""
        for first, last in self.ranges:
            if not 0 <= first <= last:
                raise ValueError(f"`ranges` needs 0 <= first <= last, not [{first}, {last}]")

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return the images to drop. Indices past the end of the data set are ignored with a logged warning."""
        from cellcls.builtin.cleaners.rules import listed

        return listed(groups, kept, ranges=self.ranges)
