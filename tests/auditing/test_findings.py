"""Every kind of finding is audit where it is planted, and none where nothing is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cellcls.auditing.audit import Audit
from cellcls.auditing.findings import KINDS
from cellcls.auditing.results import write
from cellcls.ops.rendering.cells import render

from .conftest import CLASSES, cell, save


def copied(cells: Path) -> set[str]:
    shutil.copy(cells / "basophil/00.png", cells / "basophil/copied.png")
    return {"basophil/00.png", "basophil/copied.png"}


def relabelled(cells: Path) -> set[str]:
    shutil.copy(cells / "basophil/00.png", cells / "lymphocyte/relabelled.png")
    return {"basophil/00.png", "lymphocyte/relabelled.png"}


def repeated(cells: Path) -> set[str]:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[20:50, 30:80] = (200, 30, 90)
    names = [f"{CLASSES[number % 3]}/junk{number}.png" for number in range(20)]
    for name in names:
        save(cells / name, picture)
    return set(names)


def turned(cells: Path) -> set[str]:
    save(cells / "basophil/turned.png", np.rot90(cell(0)).copy())
    return {"basophil/00.png", "basophil/turned.png"}


def turned_and_relabelled(cells: Path) -> set[str]:
    save(cells / "eosinophil/mirrored.png", np.fliplr(cell(0)).copy())
    return {"basophil/00.png", "eosinophil/mirrored.png"}


def noisy(cells: Path) -> set[str]:
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    save(cells / "basophil/noise.png", noise)
    return {"basophil/noise.png"}


def unreadable(cells: Path) -> set[str]:
    (cells / "basophil/text.png").write_text("no picture")
    return {"basophil/text.png"}


def of_another_kind(cells: Path) -> set[str]:
    (cells / "basophil/notes.txt").write_text("of the first day")
    (cells / "lymphocyte/notes.txt").write_text("of the second")
    save(cells / "stray.png", cell(0))
    return {"basophil/notes.txt", "stray.png"}  # the first of each reason


def mislabelled(cells: Path) -> set[str]:
    for number in range(45, 90):  # more cells, so that classes can be learnt
        save(cells / CLASSES[number % 3] / f"{number}.png", cell(number))
    save(cells / "basophil/wrong.png", cell(1001 * 3 + 2))  # a lymphocyte
    return {"basophil/wrong.png"}


def leaking(cells: Path) -> set[str]:
    in_parts(cells)
    (cells / "test/basophil").mkdir(parents=True)
    shutil.copy(cells / "train/basophil/00.png", cells / "test/basophil/leak.png")
    return {"train/basophil/00.png", "test/basophil/leak.png"}


def in_parts(cells: Path, part: str = "train") -> None:
    """Make of class folders the same in a part."""
    cells.rename(cells.parent / part)
    cells.mkdir()
    (cells.parent / part).rename(cells / part)


PLANTED: dict[str, Callable[[Path], set[str]]] = {
    "copies": copied,
    "conflicts": relabelled,
    "outliers": repeated,
    "near_copies": turned,
    "near_conflicts": turned_and_relabelled,
    "suspects": noisy,
    "unreadable": unreadable,
    "skipped_files": of_another_kind,
    "wrong_labels": mislabelled,
    "leaks": leaking,
}
"""How each kind of fault is planted; each returns the files it is about."""


def of_kind(audit: Audit, kind: str) -> list:
    return [finding for finding in audit.findings if finding.kind == kind]


def test_every_kind_is_planted():
    assert {*PLANTED, "shared"} == set(KINDS)


def files(audit: Audit, kind: str) -> set[str]:
    found = of_kind(audit, kind)
    return {audit.data.file(index) for finding in found for index in finding.images} | {
        finding.file for finding in found
    } - {""}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_found(cells: Path, run_audit, kind: str):
    before = files(run_audit(cells), kind)
    planted = PLANTED[kind](cells)
    audit = run_audit(cells)
    if kind == "wrong_labels":  # a judgement, which may err
        assert planted <= files(audit, kind)
    else:
        assert (before, files(audit, kind)) == (set(), planted)
    assert audit.counts()[kind] == len(of_kind(audit, kind))


def test_skipped_files_are_listed_one_by_one(cells: Path, run_audit, tmp_path: Path):
    of_another_kind(cells)
    record = json.loads((write(run_audit(cells), tmp_path / "out").parent / "audit.json").read_text())
    assert [(skipped["name"], skipped["reason"]) for skipped in record["skipped_files"]] == [
        ("basophil/notes.txt", "of another type, .txt"),
        ("lymphocyte/notes.txt", "of another type, .txt"),
        ("stray.png", "beside the class folders"),
    ]
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "3 files skipped: of another type, .txt (2); beside the class folders (1)" in page
    assert "lymphocyte/notes.txt" in page


def test_faults_together_are_all_found_and_named(cells: Path, run_audit):
    plants = (copied, relabelled, turned, noisy, unreadable, repeated)
    planted = {plant: plant(cells) for plant in plants}
    audit = run_audit(cells)
    same = planted[copied] | planted[relabelled]
    assert files(audit, "conflicts") == same | planted[repeated]
    assert files(audit, "near_conflicts") == same | planted[turned]
    assert files(audit, "suspects") >= planted[noisy]
    assert files(audit, "outliers") == planted[repeated]
    assert files(audit, "unreadable") == planted[unreadable]
    assert not files(audit, "copies")
    assert {row.file for row in audit.rows if row.action == "drop"} == same | planted[repeated]
    assert int(audit.kept.sum()) == len(audit.data) - 23


def test_only_what_is_certain_is_dropped_by_default(cells: Path, run_audit):
    turned(cells)
    audit = run_audit(cells)
    assert files(audit, "near_copies") == {"basophil/00.png", "basophil/turned.png"}
    assert audit.kept.all()
    assert {row.action for row in audit.rows} == {"review"}


def test_a_repeated_picture_under_several_labels_is_a_conflict_too(cells: Path, run_audit):
    repeated(cells)
    audit = run_audit(cells)
    assert {kind for kind, number in audit.counts().items() if number} >= {"outliers", "conflicts"}
    assert files(audit, "conflicts") == files(audit, "outliers")
    assert len(files(audit, "conflicts")) == 20
    assert int(audit.kept.sum()) == len(audit.data) - 20


def test_a_repeated_picture_under_one_label_goes_as_a_whole_and_is_copies_too(cells: Path, run_audit):
    for number in range(20):
        save(cells / f"basophil/junk{number}.png", np.full((96, 96, 3), (200, 30, 90), np.uint8))
    audit = run_audit(cells)
    assert len(files(audit, "copies")) == len(files(audit, "outliers")) == 20
    assert {row.action for row in audit.rows if row.file in files(audit, "copies")} == {"drop"}
    assert {finding.action(index) for finding in of_kind(audit, "copies") for index in finding.images} == {"drop"}


def test_of_copies_the_first_stays(cells: Path, run_audit):
    copied(cells)
    audit = run_audit(cells)
    assert [(row.file, row.action) for row in audit.rows if row.finding == "copies"] == [
        ("basophil/00.png", "keep"),
        ("basophil/copied.png", "drop"),
    ]


def test_a_likely_label_is_named(cells: Path, run_audit):
    mislabelled(cells)
    found = [finding for finding in of_kind(run_audit(cells), "wrong_labels") if finding.likely == "lymphocyte"]
    assert any("labelled basophil" in finding.reason for finding in found)


def test_two_sets_beside_each_other(cells: Path, run_audit, tmp_path: Path):
    other = tmp_path / "other"
    for number in range(200, 245):
        save(other / CLASSES[number % 3] / f"{number}.png", cell(number))
    shutil.copy(cells / "basophil/00.png", other / "eosinophil/a.png")
    save(other / "basophil/b.png", np.fliplr(cell(3)).copy())
    audit = run_audit(cells, against=other)
    assert files(audit, "shared") == {"basophil/00.png", "basophil/03.png"}
    reasons = {audit.data.file(finding.images[0]): finding.reason for finding in of_kind(audit, "shared")}
    assert "eosinophil/a.png" in reasons["basophil/00.png"]
    assert "basophil here, eosinophil there" in reasons["basophil/00.png"]
    assert audit.drift is not None
    assert 0 <= audit.drift.low <= audit.drift.auc <= audit.drift.high <= 1


def test_each_of_our_copies_is_beside_the_other_set(cells: Path, run_audit, tmp_path: Path):
    """Six disguises of one cell, and byte-equal ones of the last; the other set holds the cell once."""
    noise = np.random.default_rng(0).integers(-4, 5, (6, 96, 96, 3))
    versions = np.clip(np.stack([np.rot90(cell(0), turn % 4) for turn in range(6)]) + noise, 0, 255).astype(np.uint8)
    for number, version in enumerate([*versions, versions[-1]]):
        save(cells / f"basophil/v{number}.png", version)
    save(tmp_path / "other/basophil/a.png", cell(0))
    save(tmp_path / "other/eosinophil/b.png", cell(301))
    audit = run_audit(cells, against=tmp_path / "other")
    assert files(audit, "shared") == {"basophil/00.png", *(f"basophil/v{number}.png" for number in range(7))}
    assert sorted(len(finding.images) for finding in of_kind(audit, "shared")) == [1] * 6 + [2]


def test_near_copies_are_never_called_the_same_pixels(cells: Path, run_audit, tmp_path: Path):
    """Turned by 90 degrees the details correlate to 1.00 and the pixels differ."""
    save(tmp_path / "other/basophil/a.png", np.rot90(cell(3)).copy())
    save(tmp_path / "other/eosinophil/b.png", cell(1))
    findings = of_kind(run_audit(cells, against=tmp_path / "other"), "shared")
    assert sorted(finding.reason.split(" to ")[0] for finding in findings) == ["identical pixels", "similarity 1.00"]


def test_near_copies_across_parts_and_labels_are_found_in_a_chain(cells: Path, run_audit):
    """Crops 3 pixels apart: the first is no copy of the last, but both are of the one between."""
    in_parts(cells)
    wide = render(0, 0, size=120).image
    for place, x in (("train/basophil/zz0", 9), ("train/basophil/zz1", 12), ("val/eosinophil/zz2", 15)):
        save(cells / f"{place}.png", wide[12:108, x : x + 96])
    audit = run_audit(cells)
    across = {"train/basophil/zz1.png", "val/eosinophil/zz2.png"}
    assert files(audit, "near_copies") == {"train/basophil/zz0.png", "train/basophil/zz1.png"}
    assert files(audit, "near_conflicts") == files(audit, "leaks") == across
    assert "near copies in train and val" in of_kind(audit, "leaks")[0].reason


def test_byte_equal_images_of_near_copies_count_too(cells: Path, run_audit):
    """A copy of the first of two near ones lies in another part under another label."""
    in_parts(cells)
    save(cells / "train/basophil/zz.png", np.rot90(cell(0)).copy())
    (cells / "val/eosinophil").mkdir(parents=True)
    shutil.copy(cells / "train/basophil/00.png", cells / "val/eosinophil/a.png")
    audit = run_audit(cells)
    near = {"train/basophil/00.png", "train/basophil/zz.png", "val/eosinophil/a.png"}
    assert files(audit, "near_conflicts") == near
    assert sorted(len(finding.images) for finding in of_kind(audit, "leaks")) == [2, 3]


def test_an_audit_repeats_itself(cells: Path, run_audit):
    repeated(cells)
    first, second = run_audit(cells), run_audit(cells)
    assert first.findings == second.findings
    assert first.rows == second.rows
