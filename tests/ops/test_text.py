"""Text from outside: nothing that a terminal or a spreadsheet obeys is left, and nothing else is changed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cellcls.ops.text import cell, cell_text, visible


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
