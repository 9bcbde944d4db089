"""Tables of text: CSV and TSV as spreadsheets, databases and annotation tools write them, and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cellcls.errors import DataError, MissingPluginError
from cellcls.ops.storage.files import printable

SUFFIXES = (".csv", ".tsv", ".parquet")
_DELIMITERS = ",;\t|"
_MAX_BYTES = 1 << 30
_MAX_FIELD = 1 << 20

Columns = Mapping[str, Sequence[str]]
"""The values of each column by its name, all of one length, stripped; "" where there is none."""


def is_table(path: Path) -> bool:
    """Return whether a file has the suffix of a table."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def read_table(path: Path) -> Columns:
    """Read a table whose first row names its columns.

    Text is UTF-8 or UTF-16 with or without a byte order mark, else Windows-1252; columns are separated by commas,
    semicolons, tabs or bars. Raises ``DataError``, and ``MissingPluginError`` for Parquet without pyarrow.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(
                f"{printable(path)}: larger than 1 GB", "labels of images are smaller; is it the right file?"
            )
        if path.suffix.lower() == ".parquet":
            return _read_parquet(path)
        return _read_text(path)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror or error}") from error


def _read_parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingPluginError(
            f"{printable(path)}: reading Parquet needs pyarrow, which is not installed",
            "pip install 'cellcls[table]'",
            "or save the table as CSV, which needs nothing",
        ) from error
    try:
        data = parquet.read_table(path).to_pydict()
    except ArrowException as error:
        raise DataError(f"{printable(path)}: not a readable Parquet file: {str(error)[:200]}") from error
    return {str(name): ["" if value is None else str(value).strip() for value in data[name]] for name in data}


def _read_text(path: Path) -> Columns:
    text = _decoded(path.read_bytes())
    csv.field_size_limit(_MAX_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path, text), skipinitialspace=True)
    try:
        rows = [row for row in reader if any(value.strip() for value in row)]
    except csv.Error as error:
        raise DataError(f"{printable(path)}:{reader.line_num}: not a readable table: {error}") from error
    if not rows:
        raise DataError(f"{printable(path)}: empty", "its first row names the columns, such as file,label")
    names = [name.strip() for name in rows[0]]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice:
        raise DataError(f"{printable(path)}: two columns are called `{printable(twice)}`", "rename one of them")
    wide = next((row for row in rows[1:] if any(value.strip() for value in row[len(names) :])), None)
    if wide:
        raise DataError(
            f"{printable(path)}: a row has {len(wide)} values for {len(names)} columns, "
            f"`{printable(names[0])}` = `{printable(wide[0])}`",
            "put values that contain the separator in quotes",
        )
    columns = {name: index for index, name in enumerate(names) if name}
    return {
        name: [row[index].strip() if index < len(row) else "" for row in rows[1:]] for name, index in columns.items()
    }


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # a spreadsheet's CSV on Windows


def _delimiter(path: Path, text: str) -> str:
    """Return the separator that occurs most often in the row of names, not counting what is in quotes."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for line in text.splitlines() if line.strip()), "")
    unquoted = "".join(first.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)
