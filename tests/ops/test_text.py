"""Text from outside: nothing that a terminal or a spreadsheet obeys is left, and nothing else is changed."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cellcls.ops.text import cell, cell_text, csv_text, visible


@given(st.text(st.characters()))
def test_what_is_shown_is_printable(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@given(st.text(st.sampled_from("a\n\t\x1b")))
def test_what_is_kept_stays(text: str) -> None:
    assert visible(text, keep="\n").count("\n") == text.count("\n")


@given(st.text(st.sampled_from("=+-@\t\r'a1"), max_size=4))
def test_a_cell_is_no_formula_and_gives_its_text_back(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell_text(cell(text)) == text


@given(st.lists(st.lists(st.text(st.sampled_from("=@'a,;\"\r\n"), max_size=4) | st.integers(), min_size=2), max_size=4))
def test_a_table_has_no_formula_and_gives_its_texts_back(rows: list[list[str | int]]) -> None:
    read = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
    assert [[cell_text(text) for text in row] for row in read] == [[str(value) for value in row] for row in rows]
    texts = [
        text
        for given, row in zip(rows, read, strict=True)
        for value, text in zip(given, row, strict=True)
        if isinstance(value, str)
    ]
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_every_csv_is_made_in_one_place() -> None:
    root = Path(__file__).parents[2]
    files = [path for folder in ("cellcls", "plugins") for path in (root / folder).rglob("*.py")]
    assert len(files) > 250
    writing = [path.name for path in files if re.search(r"csv\.(writer|DictWriter)|to_csv|savetxt", path.read_text())]
    assert writing == []
