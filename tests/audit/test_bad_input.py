"""Whatever lies in a folder, an audit ends with findings or with one message, never with a crash."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.audit.record import write
from cellcls.builtin.cleaners import Decisions
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.decisions import read_decisions

from .conftest import cell, save


def one_image(place: Path) -> None:
    save(place / "basophil/1.png", cell(0))


def one_class(place: Path) -> None:
    for number in range(12):
        save(place / f"basophil/{number}.png", cell(number))


def no_classes(place: Path) -> None:
    for number in range(12):
        save(place / f"{number}.png", cell(number))


def one_pixel(place: Path) -> None:
    for number in range(12):
        save(place / ("a", "b")[number % 2] / f"{number}.png", np.full((1, 1, 3), 20 * number, np.uint8))


def very_wide(place: Path) -> None:
    one_class(place)
    Image.new("RGB", (20_000, 30), "pink").save(place / "basophil/wide.png")


def blank(place: Path) -> None:
    for number in range(12):
        save(place / ("a", "b")[number % 2] / f"{number}.png", np.full((96, 96, 3), 255, np.uint8))


def damaged(place: Path) -> None:
    one_class(place)
    whole = (place / "basophil/0.png").read_bytes()
    (place / "basophil/half.png").write_bytes(whole[: len(whole) // 2])
    (place / "basophil/empty.jpg").write_bytes(b"")
    (place / "basophil/text.tif").write_text("<html>")


def odd_names(place: Path) -> None:
    for number, name in enumerate(('<script>alert("1")</script>', "=1+1", "a,b;c'd", "ß 中 \u202e", "-x", "</script>")):
        safe = name.replace("/", "∕")
        save(place / f"{safe} class" / f"{safe}.png", cell(number))
        save(place / f"{safe} class" / f"{safe} 2.png", cell(number))


def names_that_are_no_text(place: Path) -> None:
    one_class(place)
    try:
        shutil.copy(place / "basophil/0.png", os.fsencode(place / "basophil") + b"/x\xff\xfe.png")
        shutil.move(place / "basophil", os.fsencode(place) + b"/b\xff")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")


def names_of_several_lines(place: Path) -> None:
    one_class(place)
    shutil.copy(place / "basophil/0.png", place / "basophil/a\rb\nc.png")


def links_to_nothing(place: Path) -> None:
    one_class(place)
    (place / "basophil/gone.png").symlink_to(place / "nowhere.png")
    (place / "basophil/round.png").symlink_to(place / "basophil/round.png")


FINE = [
    one_image,
    one_class,
    no_classes,
    one_pixel,
    very_wide,
    blank,
    damaged,
    odd_names,
    names_that_are_no_text,
    names_of_several_lines,
    links_to_nothing,
]


@pytest.mark.parametrize("make", FINE, ids=lambda make: make.__name__)
def test_an_odd_set_is_looked_at(make, tmp_path: Path, look):
    make(tmp_path / "set")
    made = look(tmp_path / "set")
    subject = made.subject
    page = write(made, tmp_path / "out").read_text()
    assert read_decisions(tmp_path / "out/decisions.csv").rows == made.rows
    cleaner = Decisions(file=tmp_path / "out/decisions.csv")
    replayed = cleaner.build(source=subject.source, groups=subject.groups, kept=np.ones(len(subject), dtype=bool))
    assert {one.index for one in replayed} == set(np.flatnonzero(~made.kept).tolist())
    assert page.count("<script") == 2  # the page's own, and its data
    assert "alert(" not in page or '\\u003cscript>alert(\\"1' in page


def test_unreadable_files_are_findings_with_their_reason(tmp_path: Path, look):
    damaged(tmp_path / "set")
    found = {one.file: one.reason for one in look(tmp_path / "set").findings if one.kind == "unreadable"}
    assert set(found) == {"basophil/half.png", "basophil/empty.jpg", "basophil/text.tif"}
    assert all("cannot be read" in reason for reason in found.values())


def test_a_wide_picture_is_of_odd_size(tmp_path: Path, look):
    very_wide(tmp_path / "set")
    made = look(tmp_path / "set")
    odd = [one for one in made.findings if one.kind == "suspects" and "odd size" in one.reason]
    assert [made.subject.file(one.images[0]) for one in odd] == ["basophil/wide.png"]


@pytest.mark.parametrize("what", ["empty", "nothing readable", "no npz", "recipe"])
def test_nothing_to_look_at_is_one_message(what: str, tmp_path: Path, look):
    place = tmp_path / "set"
    place.mkdir()
    if what == "nothing readable":
        (place / "a").mkdir()
        (place / "a/1.png").write_text("no picture")
    elif what == "no npz":
        place = tmp_path / "set.npz"
        place.write_text("no npz")
    elif what == "recipe":
        place = tmp_path / "recipe.toml"
        place.write_text("")
    with pytest.raises(DataError):
        look(place)


def test_a_set_that_is_not_there(tmp_path: Path, look):
    with pytest.raises(MissingInputError):
        look(tmp_path / "nowhere")
