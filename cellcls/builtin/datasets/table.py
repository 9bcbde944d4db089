"""``Table``: image files whose labels are in a CSV, TSV or Parquet file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from cellcls.api import Dataset, Input, changed, component, param
from cellcls.errors import MissingInputError

if TYPE_CHECKING:
    from cellcls.api import Source


@component("table")
class Table(Dataset):
    """Image files with their labels in a table: CSV, TSV or Parquet (extra `table`), one row per image.

    Columns are found by their usual names: of the file (file, filename, image, path), the label (label, class,
    category, target) and the part (part, split). Instead of a label, a row may mark one of several columns with 1. A
    folder with a metadata.csv (Hugging Face's imagefolder) or a _classes.csv (Roboflow) in it, or in its folders train,
    val and test, is such a data set too. Every other column can keep images together: `[split] group`.
    """

    how_to_get: ClassVar[tuple[str, ...]] = (
        "write a table with the columns file and label, a row per image; file names are relative to the table",
        "--data PATH takes any data set in its place (table, npz, MedMNIST, folder of images)",
    )

    file: Path = param(help="The table, or a folder with a metadata.csv or _classes.csv.")
    root: Path | None = param(default=None, help="Folder of the images. Default: the folder of the table.")
    files: str | None = param(default=None, help="Column of the image files. Default: found by its name.")
    labels: str | None = param(default=None, help="Column of the labels. Default: found by its name.")
    parts: str | None = param(
        default=None, help="Column of train, val and test. Default: found by its name; without one, [split] applies."
    )
    classes: tuple[str, ...] | None = param(
        default=None, help="Names of the classes if labels are numbers, 0 to K-1. Default: class_0, class_1, ..."
    )
    rename: Mapping[str, str] = param(
        factory=dict, help='Other names for labels, "giant platelets" = "platelet"; labels of one name are one class.'
    )
    on_bad_image: Literal["error", "skip"] = param(
        default="error",
        help="What to do with an unreadable image and a row that is not usable (no label, no file, two labels for one "
        "file): stop, or skip and list it.",
    )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether ``path`` is a CSV, TSV or Parquet file, or a folder with a metadata.csv or _classes.csv."""
        from cellcls.builtin.datasets.table_rows import find_tables

        return bool(find_tables(path))

    def leniently(self) -> Self:
        """Return the table with unusable rows and unreadable images skipped."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode the images, or open the cached result. Raises ``DataError``."""
        from cellcls.builtin.datasets.table_rows import TableSettings
        from cellcls.builtin.datasets.table_source import open_table

        if path is None or not path.exists():
            raise MissingInputError(f"{path or self.file}: no such file or folder", *self.how_to_get)
        settings = TableSettings(
            root=self.root,
            files=self.files,
            labels=self.labels,
            parts=self.parts,
            classes=self.classes,
            rename=self.rename,
        )
        return open_table(path, settings, input, cache, skip=self.on_bad_image == "skip")
