"""Public sets of blood-cell images, read from a folder as their authors lay it out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from cellcls.api import Component, Dataset, Input, Source, changed, component, hookimpl, param
from cellcls.errors import MissingInputError

if TYPE_CHECKING:
    from cellcls_bloodsets.layouts import Listed

_BAD = "A picture that cannot be read: stop, or leave it out and list it."
_UNPACK = "unpack it, and name the folder with --data, or put it beside the recipe, into ./data or $CELLCLS_DATA"


@component("raabin")
class Raabin(Dataset):
    """Raabin-WBC, the cropped cells labelled twice (Kouzehkanan et al. 2022, doi:10.1038/s41598-021-04426-x): folders
    Train, TestA, TestB with a folder a class. Train and the chosen test folders are its parts."""

    how_to_get: ClassVar[tuple[str, ...]] = ("Raabin-WBC, cropped and double-labelled: https://raabindata.com", _UNPACK)

    file: Path = param(default=Path("Raabin-WBC"), help="The folder that holds Train, TestA, TestB.")
    test: Literal["A", "B", "both"] = param(
        default="A", help="Which test folders are the part test. TestB has lymphocytes and neutrophils only."
    )
    on_bad_image: Literal["error", "skip"] = param(default="error", help=_BAD)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell whether ``path`` holds Train and TestA or TestB."""
        from cellcls_bloodsets.layouts import is_raabin

        return is_raabin(path)

    def leniently(self) -> Self:
        """Return the set with pictures left out that cannot be read."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode, or open what was decoded before. Raises ``DataError``, ``MissingInputError``."""
        from cellcls_bloodsets.layouts import raabin

        return _open(raabin(_given(path, self), self.test), self, input, cache)


@component("lisc")
class Lisc(Dataset):
    """LISC (Rezatofighi and Soltanian-Zadeh 2011, doi:10.1016/j.compmedimag.2011.01.003): a folder ``Main Dataset``
    with the folders Baso, eosi, lymp, mono, neut, and mixt, which has no single class and is left out."""

    how_to_get: ClassVar[tuple[str, ...]] = ("LISC: https://vl4ai.erc.monash.edu/pages/LISC.html", _UNPACK)

    file: Path = param(default=Path("LISC Database"), help="The folder that holds `Main Dataset`, or that one itself.")
    on_bad_image: Literal["error", "skip"] = param(default="error", help=_BAD)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell whether ``path`` holds `Main Dataset` with folders of that set."""
        from cellcls_bloodsets.layouts import is_lisc

        return is_lisc(path)

    def leniently(self) -> Self:
        """Return the set with pictures left out that cannot be read."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode, or open what was decoded before. Raises ``DataError``, ``MissingInputError``."""
        from cellcls_bloodsets.layouts import lisc

        return _open(lisc(_given(path, self)), self, input, cache)


@component("bccd")
class Bccd(Dataset):
    """BCCD with the class of its white cell (the folder ``dataset-master`` of Kaggle's ``blood-cells``): ``labels.csv``
    and smears ``JPEGImages/BloodImage_NNNNN.jpg``. Smears with no class or several are left out."""

    how_to_get: ClassVar[tuple[str, ...]] = (
        "BCCD with classes: https://www.kaggle.com/datasets/paultimothymooney/blood-cells, its folder dataset-master",
        _UNPACK,
    )

    file: Path = param(default=Path("dataset-master"), help="The folder that holds labels.csv and JPEGImages.")
    cell_only: bool = param(
        default=True,
        help="Cut out the square around the white cell that `Annotations` marks (smears where it marks none or several "
        "are left out); else the smear as a whole.",
    )
    on_bad_image: Literal["error", "skip"] = param(default="error", help=_BAD)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell whether ``path`` holds labels.csv and JPEGImages."""
        from cellcls_bloodsets.layouts import is_bccd

        return is_bccd(path)

    def leniently(self) -> Self:
        """Return the set with pictures left out that cannot be read."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode, or open what was decoded before. Raises ``DataError``, ``MissingInputError``."""
        from cellcls_bloodsets.layouts import bccd

        return _open(bccd(_given(path, self), cell_only=self.cell_only), self, input, cache)


@component("segmentation_wbc")
class SegmentationWbc(Dataset):
    """segmentation_WBC (Zheng et al. 2018, doi:10.1016/j.micron.2018.01.010): folders ``Dataset 1`` and ``Dataset 2``
    of pictures NNN.bmp (their masks NNN.png are left aside) and ``Class Labels of Dataset 1.csv``, ``... 2.csv``."""

    how_to_get: ClassVar[tuple[str, ...]] = (
        "segmentation_WBC: git clone https://github.com/zxaoyou/segmentation_WBC",
        _UNPACK,
    )

    file: Path = param(default=Path("segmentation_WBC"), help="The folder that holds the csv files.")
    datasets: Literal["1", "2", "both"] = param(
        default="both", help="Which of its two sets: 1 has 120 pixels a side, 2 has 300 and another stain."
    )
    on_bad_image: Literal["error", "skip"] = param(default="error", help=_BAD)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell whether ``path`` holds the csv file of a set and the set."""
        from cellcls_bloodsets.layouts import is_segmentation_wbc

        return is_segmentation_wbc(path)

    def leniently(self) -> Self:
        """Return the set with pictures left out that cannot be read."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode, or open what was decoded before. Raises ``DataError``, ``MissingInputError``."""
        from cellcls_bloodsets.layouts import segmentation_wbc

        return _open(segmentation_wbc(_given(path, self), self.datasets), self, input, cache)


def _given(path: Path | None, dataset: Raabin | Lisc | Bccd | SegmentationWbc) -> Path:
    if path is None or not path.is_dir():
        raise MissingInputError(f"{path or dataset.file}: no such folder", *dataset.how_to_get)
    return path


def _open(listed: Listed, dataset: Raabin | Lisc | Bccd | SegmentationWbc, input: Input, cache: Path) -> Source:
    from cellcls_bloodsets.source import open_pictures

    skip = dataset.on_bad_image == "skip"
    return open_pictures(listed, input, cache, skip_bad=skip)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Offer the four sets."""
    return [Raabin, Lisc, Bccd, SegmentationWbc]
