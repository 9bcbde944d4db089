from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import DataError, MissingInputError
from cellcls.ops.curation.decisions import ACTIONS, COLUMNS, DecisionRow, read_decisions, write_decisions
from cellcls.ops.storage.files import write_text

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20) | st.sampled_from(
    ["a\rb.png", "\r", "a\nb", "\r\n", " x ", "'=1", '"', ",", ";;;;;;;;"]
)
rows = st.lists(
    st.builds(
        DecisionRow,
        index=st.integers(0, 10**6),
        file=texts,
        hash=st.text("0123456789abcdef", min_size=32, max_size=32),
        finding=st.sampled_from(["copies", "suspects"]),
        reason=texts,
        action=st.sampled_from(ACTIONS),
    ),
    max_size=5,
)


@given(rows)
def test_decisions_read_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, made: list[DecisionRow]):
    path = tmp_path_factory.mktemp("d") / "decisions.csv"
    write_text(path, write_decisions("ab" * 16, 99, made))
    found = read_decisions(path)
    assert (found.data_hash, found.count, list(found.rows)) == ("ab" * 16, 99, made)


def test_no_text_is_taken_for_a_formula(tmp_path: Path):
    row = DecisionRow(index=1, file="=HYPERLINK(1)", hash="a", finding="copies", reason="@now", action="drop")
    text = write_decisions("h", 2, [row])
    assert "'=HYPERLINK(1)" in text
    assert "'@now" in text


def test_a_spreadsheet_may_have_saved_it(tmp_path: Path):
    row = DecisionRow(index=1, file="a;b", hash="a", finding="copies", reason="r", action="drop")
    lines = write_decisions("h", 2, [row]).splitlines()
    path = tmp_path / "decisions.csv"
    changed = [line.replace("a;b", "x").replace(",", ";") for line in lines]
    path.write_text("\ufeff" + "\r\n".join(changed) + "\r\n", encoding="utf-8", newline="")
    found = read_decisions(path)
    assert (found.data_hash, found.rows[0].file, found.rows[0].action) == ("h", "x", "drop")


GOOD = write_decisions("h", 2, [DecisionRow(index=1, file="", hash="a", finding="copies", reason="", action="drop")])
BAD = {
    "empty": ("", "no column"),
    "another table": ("a,b\n1,2\n", "no column"),
    "no set": (GOOD.replace(",data,", ",copies,"), "which data set"),
    "two sets": (GOOD + ",,h,data,2 images,\n", "which data set"),
    "no count": (GOOD.replace("2 images", "some"), "how many images"),
    "unknown action": (GOOD.replace("drop", "burn"), "line 3"),
    "no index": (GOOD.replace("\n1,", "\nx,"), "line 3"),
    "an endless index": (GOOD.replace("\n1,", f"\n{'1' * 5000},"), "line 3"),
    "an endless count": (GOOD.replace("2 images", f"{'1' * 5000} images"), "how many images"),
    "a fault behind a broken line": (GOOD + '2,"a\nb",h,copies,,burn\n', "line 5"),
    "too many cells": (GOOD.replace("drop", "drop,more"), "line 3"),
    "open quote": (GOOD + '2,"', "CSV"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_damaged_file_is_told(what: str, tmp_path: Path):
    path = tmp_path / "decisions.csv"
    text, word = BAD[what]
    path.write_text(text)
    with pytest.raises(DataError, match=word):
        read_decisions(path)


def test_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "decisions.csv"
    path.write_bytes(b"\xff\xfe\x00,\x81")
    with pytest.raises(DataError, match="UTF-8"):
        read_decisions(path)


def test_no_file(tmp_path: Path):
    with pytest.raises(MissingInputError):
        read_decisions(tmp_path / "nowhere.csv")


def test_the_columns_are_the_documented_ones():
    assert COLUMNS == ("index", "file", "hash", "finding", "reason", "action")
