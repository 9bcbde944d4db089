"""What comes from outside is shown, and obeyed by no terminal and no spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from PIL import Image

from cellcls.ops.rendering.cells import render
from cellcls.ops.text import cell, cell_text, visible

ESCAPE = "\x1b]0;owned\x07\x1b[31m"
HOSTILE = {
    "colour": f"{ESCAPE}cell.png",
    "right to left": "cell\u202egnp.exe.png",
    "carriage return": "cell\rcellcls: all is well.png",
}


def obeyed(text: str) -> list[str]:
    return [letter for letter in text if letter != "\n" and not letter.isprintable()]


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_file_name_reaches_the_terminal_raw(cli, place: Path, shared_run: Path, name: str):
    Image.fromarray(render(3, 5, size=60).image).save(place / name, format="png")
    (place / f"broken{name}").write_bytes(b"no picture")
    for said in (cli("predict", shared_run, place / name), cli("predict", shared_run, place / f"broken{name}")):
        assert visible(name) in said.out + said.err
        assert not obeyed(said.out + said.err)
    for said in (cli("run", f"{name}.toml"), cli("evaluate", shared_run, "--data", name), cli("compare", name)):
        assert said.code != 0
        assert not obeyed(said.err)


def test_no_formula_reaches_a_spreadsheet(cli, place: Path, shared_run: Path):
    names = ["=HYPERLINK(1).png", "@SUM(1).png", "-1.png", "+1.png", "'quoted.png"]
    for name in names:
        Image.fromarray(render(3, 5, size=60).image).save(place / name)
    said = cli("predict", "--run", shared_run, *(Path(name) for name in names if name != "-1.png"), "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert len(rows) == 4
    assert all(row["image"].startswith("'") for row in rows)
    assert [cell_text(row["image"]) for row in rows] == [name for name in names if name != "-1.png"]


def test_what_is_harmless_stays_as_it_is():
    for text in ("Zelle 3 – größer.png", "細胞.png", "a, b (c).png"):
        assert visible(text) == text == cell(text)
    assert visible("two\nlines", keep="\n") == "two\nlines"
    assert visible("two\nlines") == "two\\nlines"
