"""``decisions.csv``: which images of a data set a user decided to drop, by content hash.

::

    index,file,hash,finding,reason,action
    ,,DATA_HASH,data,13759 images,
    11959,,9f..,outliers,"200 repeats, far more than other images, under the label basophil",drop

The first row identifies the data set. A row with the action ``drop`` drops the image at that index if its hash matches;
other actions (``keep``, ``review``) have no effect. An apostrophe precedes texts that a spreadsheet would evaluate.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from cellcls.errors import DataError, MissingInputError
from cellcls.ops.storage.paths import is_device
from cellcls.ops.text import cell_text, csv_text

COLUMNS = ("index", "file", "hash", "finding", "reason", "action")
ACTIONS = ("drop", "keep", "review")
_DATA = "data"
_LIMIT = 1 << 28
_DIGITS = 18


@attrs.frozen(kw_only=True)
class DecisionRow:
    """The decision on one image."""

    index: int
    file: str
    hash: str
    finding: str
    reason: str
    action: str


@attrs.frozen(kw_only=True)
class DecisionTable:
    """The decisions on the images of a data set: the content of a ``decisions.csv``."""

    data_hash: str
    count: int
    rows: tuple[DecisionRow, ...]


def write_decisions(data_hash: str, count: int, rows: Iterable[DecisionRow]) -> str:
    """Return the decisions as CSV, byte for byte as the audit page writes them."""
    about = ("", "", data_hash, _DATA, f"{count} images", "")
    return csv_text([COLUMNS, about, *(attrs.astuple(row) for row in rows)])


def read_decisions(path: Path) -> DecisionTable:
    """Read the decisions, also if saved by a spreadsheet (with semicolons, a byte order mark, reordered columns).

    Raises ``MissingInputError``, or ``DataError`` naming the line.
    """
    try:
        if is_device(path):
            raise DataError(f"{path}: a device or a pipe, not a file")
        if path.stat().st_size > _LIMIT:
            raise DataError(f"{path}: larger than {_LIMIT >> 20} MB, so it is not a decisions.csv")
        text = path.read_bytes().decode("utf-8-sig")  # names may contain line breaks
    except FileNotFoundError as error:
        raise MissingInputError(f"no decisions at {path}", "make them: cellcls audit DATA") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text: {error}") from error
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise DataError(f"{path}: not valid CSV: {error}") from error
    missing = [name for name in COLUMNS if not lines or name not in lines[0][1]]
    if missing:
        raise DataError(f"{path}: has no column `{missing[0]}`", f"its first line must be: {','.join(COLUMNS)}")
    return _decided(path, lines)


def _decided(path: Path, lines: Sequence[tuple[int, dict[str, str | None]]]) -> DecisionTable:
    about = [line for _, line in lines if line["finding"] == _DATA]
    if len(about) != 1:
        raise DataError(f"{path}: does not say which data set it is about", "use decisions.csv as the audit wrote it")
    rows = tuple(_row(path, number, line) for number, line in lines if line["finding"] != _DATA)
    count = _number((about[0]["reason"] or "").partition(" ")[0])
    if count is None:
        raise DataError(f"{path}: does not say how many images the set has", "use decisions.csv as the audit wrote it")
    return DecisionTable(data_hash=about[0]["hash"] or "", count=count, rows=rows)


def _row(path: Path, number: int, line: dict[str, str | None]) -> DecisionRow:
    texts = {name: line[name] or "" for name in COLUMNS}
    index, action = _number(texts["index"]), texts["action"].strip()
    if index is None or action not in ACTIONS or None in line:
        raise DataError(
            f"{path}: line {number}: needs an index and an action ({', '.join(ACTIONS)}), not "
            f"`{texts['index'][:_DIGITS]}` and `{texts['action'][:_DIGITS]}`"
        )
    return DecisionRow(
        index=index,
        file=cell_text(texts["file"]),
        hash=texts["hash"].strip(),
        finding=texts["finding"].strip(),
        reason=cell_text(texts["reason"]),
        action=action,
    )


def _number(text: str) -> int | None:
    """Parse a nonnegative integer, None if invalid."""
    digits = text.strip()
    return int(digits) if digits.isdecimal() and len(digits) <= _DIGITS else None
