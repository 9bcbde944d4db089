"""``decisions.csv``: what a person decided to drop from a set, by content hash, and the set it was decided on.

::

    index,file,hash,finding,reason,action
    ,,DATA_HASH,data,13759 images,
    11958,,9f..,outliers,there 1600 times under 8 labels,drop

The first row names the set. A row whose action is ``drop`` drops every image of that content at that index; other
actions (``keep``, ``look``) do nothing. Texts that a spreadsheet would take for a formula have an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

from cellcls.errors import DataError, MissingInputError

COLUMNS = ("index", "file", "hash", "finding", "reason", "action")
ACTIONS = ("drop", "keep", "look")
_DATA = "data"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LIMIT = 1 << 28


@attrs.frozen(kw_only=True)
class DecisionRow:
    """One image, what was found about it and what to do with it."""

    index: int
    file: str
    hash: str
    finding: str
    reason: str
    action: str


@attrs.frozen(kw_only=True)
class Decided:
    """The decisions on one set."""

    data_hash: str
    count: int
    rows: tuple[DecisionRow, ...]


def write_decisions(data_hash: str, count: int, rows: Iterable[DecisionRow]) -> str:
    """Return the decisions as CSV."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerow(("", "", data_hash, _DATA, f"{count} images", ""))
    for row in rows:
        writer.writerow((row.index, _safe(row.file), row.hash, row.finding, _safe(row.reason), row.action))
    return made.getvalue()


def read_decisions(path: Path) -> Decided:
    """Read the decisions, also as a spreadsheet saved them (with semicolons, a byte order mark, reordered columns).

    Raises ``MissingInputError``, and ``DataError`` naming the line.
    """
    try:
        if path.stat().st_size > _LIMIT:
            raise DataError(f"{path}: larger than {_LIMIT >> 20} MB, so no file of decisions")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingInputError(f"no decisions at {path}", "make them: cellcls audit DATA") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a text in UTF-8: {error}") from error
    first = text.partition("\n")[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    try:
        lines = list(csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{path}: no readable CSV: {error}") from error
    missing = [name for name in COLUMNS if not lines or name not in lines[0]]
    if missing:
        raise DataError(f"{path}: has no column `{missing[0]}`", f"its first line must be: {','.join(COLUMNS)}")
    return _decided(path, lines)


def _decided(path: Path, lines: Sequence[dict[str, str | None]]) -> Decided:
    named = [line for line in lines if line["finding"] == _DATA]
    if len(named) != 1:
        raise DataError(f"{path}: does not say which data set it is about", "take decisions.csv as the audit wrote it")
    rows = tuple(_row(path, number, line) for number, line in enumerate(lines, 2) if line["finding"] != _DATA)
    count = (named[0]["reason"] or "").split()[0:1]
    if not count or not count[0].isdecimal():
        raise DataError(f"{path}: does not say how many images the set has", "take it as the audit wrote it")
    return Decided(data_hash=named[0]["hash"] or "", count=int(count[0]), rows=rows)


def _row(path: Path, number: int, line: dict[str, str | None]) -> DecisionRow:
    texts = {name: (line[name] or "").strip() for name in COLUMNS}
    if not texts["index"].isdecimal() or texts["action"] not in ACTIONS or None in line:
        raise DataError(
            f"{path}: line {number}: needs an index and an action ({', '.join(ACTIONS)}), not "
            f"`{texts['index']}` and `{texts['action']}`"
        )
    return DecisionRow(
        index=int(texts["index"]),
        file=texts["file"].removeprefix("'"),
        hash=texts["hash"],
        finding=texts["finding"],
        reason=texts["reason"].removeprefix("'"),
        action=texts["action"],
    )


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text
