"""Every kind of finding is made where it is planted, and none where nothing is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cellcls.audit.findings import KINDS
from cellcls.audit.record import Audit
from cellcls.ops.render import render

from .conftest import CLASSES, cell, save


def copied(cells: Path) -> None:
    shutil.copy(cells / "basophil/00.png", cells / "basophil/99.png")


def relabelled(cells: Path) -> None:
    shutil.copy(cells / "basophil/00.png", cells / "lymphocyte/99.png")


def repeated(cells: Path) -> None:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[20:50, 30:80] = (200, 30, 90)
    for number in range(20):
        save(cells / CLASSES[number % 3] / f"junk{number}.png", picture)


def turned(cells: Path) -> None:
    save(cells / "basophil/99.png", np.rot90(cell(0)).copy())


def turned_and_relabelled(cells: Path) -> None:
    save(cells / "eosinophil/99.png", np.rot90(cell(0)).copy())


def noisy(cells: Path) -> None:
    save(cells / "basophil/99.png", np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8))


def unreadable(cells: Path) -> None:
    (cells / "basophil/99.png").write_text("no picture")


def mislabelled(cells: Path) -> None:
    for number in range(45, 90):  # more cells, so that classes can be learnt
        save(cells / CLASSES[number % 3] / f"{number}.png", cell(number))
    save(cells / "basophil/99.png", cell(1001 * 3 + 2))  # a lymphocyte


def leaking(cells: Path) -> None:
    parts = cells.parent / "parts"
    for number, file in enumerate(sorted(cells.glob("*/*.png"))):
        target = parts / ("train", "test")[number % 2] / file.parent.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.move(file, target)
    file = next((parts / "train/basophil").iterdir())
    shutil.copy(file, parts / "test/basophil/99.png")
    shutil.rmtree(cells)
    parts.rename(cells)


PLANTED: dict[str, Callable[[Path], None]] = {
    "copies": copied,
    "conflicts": relabelled,
    "outliers": repeated,
    "near_copies": turned,
    "near_conflicts": turned_and_relabelled,
    "suspects": noisy,
    "unreadable": unreadable,
    "wrong_labels": mislabelled,
    "leaks": leaking,
}


def of_kind(made: Audit, kind: str) -> list:
    return [one for one in made.findings if one.kind == kind]


def test_every_kind_is_planted():
    assert {*PLANTED, "against"} == set(KINDS)


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_found(cells: Path, look, kind: str):
    assert not [one for one in of_kind(look(cells), kind) if kind != "wrong_labels"]
    PLANTED[kind](cells)
    made = look(cells)
    assert of_kind(made, kind)
    assert made.counts()[kind] == len(of_kind(made, kind))


def files(made: Audit, kind: str) -> set[str]:
    return {made.subject.file(index) for one in of_kind(made, kind) for index in one.images}


def test_findings_name_their_images_and_what_to_do(cells: Path, look):
    for plant in (copied, noisy, turned, unreadable):
        plant(cells)
    (cells / "basophil/99.png").unlink()  # they shared a name: the last counts
    copied(cells)
    relabelled(cells)
    made = look(cells)
    assert files(made, "conflicts") == {"basophil/00.png", "basophil/99.png", "lymphocyte/99.png"}
    assert {row.file for row in made.rows if row.action == "drop"} == files(made, "conflicts")
    assert int(made.kept.sum()) == len(made.subject) - 3


def test_only_what_is_certain_is_dropped_by_default(cells: Path, look):
    turned(cells)
    made = look(cells)
    assert files(made, "near_copies") == {"basophil/00.png", "basophil/99.png"}
    assert made.kept.all()
    assert {row.action for row in made.rows} == {"look"}


def test_of_copies_the_first_stays(cells: Path, look):
    copied(cells)
    made = look(cells)
    assert [(row.file, row.action) for row in made.rows if row.finding == "copies"] == [
        ("basophil/00.png", "keep"),
        ("basophil/99.png", "drop"),
    ]


def test_a_likely_label_is_named(cells: Path, look):
    mislabelled(cells)
    found = [one for one in of_kind(look(cells), "wrong_labels") if one.likely == "lymphocyte"]
    assert any("labelled basophil" in one.reason for one in found)


def test_two_sets_beside_each_other(cells: Path, look, tmp_path: Path):
    other = tmp_path / "other"
    for number in range(200, 245):
        save(other / CLASSES[number % 3] / f"{number}.png", cell(number))
    shutil.copy(cells / "basophil/00.png", other / "eosinophil/a.png")
    save(other / "basophil/b.png", np.fliplr(cell(3)).copy())
    made = look(cells, against=other)
    assert files(made, "against") == {"basophil/00.png", "basophil/03.png"}
    reasons = {made.subject.file(one.images[0]): one.reason for one in of_kind(made, "against")}
    assert "eosinophil/a.png" in reasons["basophil/00.png"]
    assert "basophil here, eosinophil there" in reasons["basophil/00.png"]
    assert made.drift is not None
    assert 0 <= made.drift.low <= made.drift.auc <= made.drift.high <= 1


def in_parts(cells: Path, part: str = "train") -> None:
    """Make of class folders the same in a part."""
    cells.rename(cells.parent / part)
    cells.mkdir()
    (cells.parent / part).rename(cells / part)


def test_near_copies_across_parts_and_labels_are_found_in_a_chain(cells: Path, look):
    """Crops 3 pixels apart: the first is no copy of the last, but both are of the one between."""
    in_parts(cells)
    wide = render(0, 0, size=120).image
    for place, x in (("train/basophil/zz0", 9), ("train/basophil/zz1", 12), ("val/eosinophil/zz2", 15)):
        save(cells / f"{place}.png", wide[12:108, x : x + 96])
    made = look(cells)
    across = {"train/basophil/zz1.png", "val/eosinophil/zz2.png"}
    assert files(made, "near_copies") == {"train/basophil/zz0.png", "train/basophil/zz1.png"}
    assert files(made, "near_conflicts") == files(made, "leaks") == across
    assert "near copies in train and val" in of_kind(made, "leaks")[0].reason


def test_byte_equal_images_of_near_copies_count_too(cells: Path, look):
    """A copy of the first of two near ones lies in another part under another label."""
    in_parts(cells)
    save(cells / "train/basophil/zz.png", np.rot90(cell(0)).copy())
    (cells / "val/eosinophil").mkdir(parents=True)
    shutil.copy(cells / "train/basophil/00.png", cells / "val/eosinophil/a.png")
    made = look(cells)
    near = {"train/basophil/00.png", "train/basophil/zz.png", "val/eosinophil/a.png"}
    assert files(made, "near_conflicts") == near
    assert sorted(len(one.images) for one in of_kind(made, "leaks")) == [2, 3]


def test_an_audit_repeats_itself(cells: Path, look):
    repeated(cells)
    first, second = look(cells), look(cells)
    assert first.findings == second.findings
    assert first.rows == second.rows
