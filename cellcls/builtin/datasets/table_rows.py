"""The rows of the tables of a data set: which columns hold the file, the label and the part, and what they say."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from cellcls.errors import DataError, MissingPluginError, suggestion
from cellcls.ops.classes import PART_NAMES
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.tables import Columns, is_table, read_table

_log = logging.getLogger(__name__)
_IN_FOLDER = ("metadata.csv", "metadata.parquet", "_classes.csv")
"""Names of tables that make their folder a data set: those of Hugging Face and Roboflow."""
_FILES = ("file", "filename", "filepath", "imagefile", "imagepath", "imagename", "image", "path", "img")
_LABELS = ("label", "labels", "classname", "class", "category", "target", "choice")
_PARTS = ("part", "split", "partition", "subset")
"""Usual names of columns, the likeliest first, in lower case without separators; `choice` is Label Studio's."""
_MARKS = frozenset({"0", "1", "0.0", "1.0", ""})
SEVERAL = "\0several"
"""Stands for the label of a row that marks several classes."""


@attrs.frozen(kw_only=True)
class TableSettings:
    """The settings of the data set that say how its tables are read."""

    root: Path | None
    files: str | None
    labels: str | None
    parts: str | None
    classes: tuple[str, ...] | None
    rename: Mapping[str, str]


@attrs.frozen
class Row:
    """What a table says of one image; "" for what it does not say."""

    file: str
    label: str
    part: str
    root: Path
    number: int
    """Its number over all tables of the data set."""


@attrs.frozen
class Rows:
    """The rows of all tables of a data set."""

    rows: list[Row]
    columns: Columns
    """Every column, over all tables; "" for the rows of a table that lacks it."""
    in_parts: bool


def find_tables(path: Path) -> list[tuple[Path, str]]:
    """Return the tables of a data set, each with the part that its folder means, "" for none. Empty if ``path`` is
    neither a table nor a folder with tables of images in it or in its folders of parts."""
    if path.is_dir():
        folders = [(path, "")]
        try:
            folders += [
                (inside, PART_NAMES[inside.name.lower()]) for inside in sorted(path.iterdir()) if _is_part(inside)
            ]
        except OSError:
            return []
        found = [(next(filter(_has_labels, map(folder.joinpath, _IN_FOLDER)), None), part) for folder, part in folders]
        return [(table, part) for table, part in found if table is not None]
    return [(path, "")] if is_table(path) else []


def _is_part(folder: Path) -> bool:
    return folder.name.lower() in PART_NAMES and folder.is_dir()


def _has_labels(table: Path) -> bool:
    if not is_table(table):
        return False
    try:
        columns = read_table(table)
    except (DataError, MissingPluginError):
        return False
    file = _usual(columns, _FILES)
    return file is not None and (_usual(columns, _LABELS) is not None or len(_marked(columns, file)) > 1)


def read_rows(path: Path, settings: TableSettings) -> Rows:
    """Return the rows of the tables at ``path``. Raises ``DataError`` if a column is not found."""
    rows: list[Row] = []
    tables = [(table, part, read_table(table)) for table, part in find_tables(path)]
    names = list(dict.fromkeys(name for *_, columns in tables for name in columns))
    together: dict[str, list[str]] = {name: [] for name in names}
    in_parts = False
    for table, part, columns in tables:
        files = _files(table, columns, settings)
        labels = _labels(table, columns, settings)
        parts = _parts(table, columns, settings) or [part] * len(files)
        in_parts |= any(parts)
        root = settings.root or table.parent
        rows += [
            Row(*values, root, len(rows) + number)
            for number, values in enumerate(zip(files, labels, parts, strict=True))
        ]
        for name in names:
            together[name] += columns.get(name, [""] * len(files))
    if not rows:
        raise DataError(
            f"{printable(path)}: has no rows", "its first row names the columns; each other one is an image"
        )
    return Rows(rows, together, in_parts)


def _files(table: Path, columns: Columns, settings: TableSettings) -> Sequence[str]:
    return columns[_column(table, columns, settings.files, "files", _FILES)]


def _labels(table: Path, columns: Columns, settings: TableSettings) -> Sequence[str]:
    name = _column_or_none(table, columns, settings.labels, "labels", _LABELS)
    if name is not None:
        return columns[name]
    marked = _marked(columns, _column(table, columns, settings.files, "files", _FILES))
    if len(marked) < 2:
        raise _no_column(table, columns, "labels", _LABELS)
    values = zip(*(columns[name] for name in marked), strict=True)
    return [_of_marks([name for name, mark in zip(marked, row, strict=True) if mark.startswith("1")]) for row in values]


def _of_marks(names: list[str]) -> str:
    return (names[0] if len(names) == 1 else SEVERAL) if names else ""


def _marked(columns: Columns, file: str) -> list[str]:
    """Return the columns that mark their class with 1."""
    return [name for name, values in columns.items() if name != file and values and _MARKS.issuperset(values)]


def _parts(table: Path, columns: Columns, settings: TableSettings) -> list[str] | None:
    name = _column_or_none(table, columns, settings.parts, "parts", _PARTS)
    if name is None:
        return None
    strange = sorted({value for value in columns[name] if value and value.lower() not in PART_NAMES})
    if strange and settings.parts is None:
        return None
    if strange:
        raise DataError(
            f"{printable(table)}: the column `{printable(name)}` holds {_listed(strange)}; "
            "parts are train, val and test",
            "to keep images of one value together instead: [split] group",
        )
    return [PART_NAMES.get(value.lower(), "") for value in columns[name]]


def _column(table: Path, columns: Columns, wanted: str | None, setting: str, usual: Sequence[str]) -> str:
    name = _column_or_none(table, columns, wanted, setting, usual)
    if name is None:
        raise _no_column(table, columns, setting, usual)
    return name


def _column_or_none(
    table: Path, columns: Columns, wanted: str | None, setting: str, usual: Sequence[str]
) -> str | None:
    if wanted is None:
        return _usual(columns, usual)
    if wanted in columns:
        return wanted
    raise DataError(
        f'{printable(table)}: has no column `{wanted}` ({setting} = "{wanted}")',
        f"{suggestion(wanted, list(columns))}its columns: {_listed(columns)}",
    )


def _usual(columns: Columns, usual: Sequence[str]) -> str | None:
    """Return the column with the likeliest usual name."""
    plain = {re.sub(r"[\s_\-]+", "", name.casefold()): name for name in columns}
    return next((plain[name] for name in usual if name in plain), None)


def _no_column(table: Path, columns: Columns, setting: str, usual: Sequence[str]) -> DataError:
    return DataError(
        f"{printable(table)}: no column of {setting}; its columns: {_listed(columns)}",
        f'name it in the recipe, [dataset] use = "table", {setting} = "COLUMN", or call it `{usual[0]}`',
    )


def _listed(names: Iterable[str]) -> str:
    shown = [f"`{printable(name)}`" for name in names]
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
