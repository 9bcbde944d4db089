"""Whatever lies in a folder, an audit ends with findings or with one message, never with a crash."""

from __future__ import annotations

import html
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.auditing.findings import KINDS
from cellcls.auditing.results import write
from cellcls.builtin.cleaners import Decisions
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.curation.decisions import read_decisions

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


def enormous(place: Path) -> None:
    """A PNG of 20,000 x 20,000 pixels of one bit, written line by line: 60 kB, and 1.2 GB as colours."""
    one_class(place)
    side = 20_000
    compressor = zlib.compressobj()
    pixels = b"".join(compressor.compress(bytes(1 + side // 8)) for _ in range(side)) + compressor.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    (place / "basophil/enormous.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))


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
    enormous,
    blank,
    damaged,
    odd_names,
    names_that_are_no_text,
    names_of_several_lines,
    links_to_nothing,
]


@pytest.mark.parametrize("make", FINE, ids=lambda make: make.__name__)
def test_an_odd_set_is_looked_at(make, tmp_path: Path, run_audit):
    make(tmp_path / "set")
    audit = run_audit(tmp_path / "set")
    data = audit.data
    page = write(audit, tmp_path / "out").read_text()
    assert read_decisions(tmp_path / "out/decisions.csv").rows == audit.rows
    cleaner = Decisions(file=tmp_path / "out/decisions.csv")
    replayed = cleaner.build(source=data.source, groups=data.groups, kept=np.ones(len(data), dtype=bool))
    assert {decision.index for decision in replayed} == set(np.flatnonzero(~audit.kept).tolist())
    assert page.count("<script") == 2  # the page's own, and its data
    assert "alert(" not in page or '\\u003cscript>alert(\\"1' in page


def test_unreadable_files_are_findings_with_their_reason(tmp_path: Path, run_audit):
    damaged(tmp_path / "set")
    found = {
        finding.file: finding.reason for finding in run_audit(tmp_path / "set").findings if finding.kind == "unreadable"
    }
    assert set(found) == {"basophil/half.png", "basophil/empty.jpg", "basophil/text.tif"}
    assert all("cannot be read" in reason for reason in found.values())


def test_a_wide_picture_is_of_odd_size(tmp_path: Path, run_audit):
    very_wide(tmp_path / "set")
    audit = run_audit(tmp_path / "set")
    odd = [finding for finding in audit.findings if finding.kind == "suspects" and "odd size" in finding.reason]
    assert [audit.data.file(finding.images[0]) for finding in odd] == ["basophil/wide.png"]


@pytest.mark.parametrize("what", ["empty", "nothing readable", "no npz", "recipe"])
def test_nothing_to_look_at_is_one_message(what: str, tmp_path: Path, run_audit):
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
        run_audit(place)


def test_a_set_that_is_not_there(tmp_path: Path, run_audit):
    with pytest.raises(MissingInputError):
        run_audit(tmp_path / "nowhere")


def test_an_enormous_picture_is_a_finding_and_takes_no_memory(tmp_path: Path):
    enormous(tmp_path / "set")
    code = (
        "from pathlib import Path\nfrom cellcls.cli import main\n"
        "try: main(['audit', 'set', '--out', 'out'])\n"
        # not ru_maxrss, which starts with that of the process of the tests
        "finally: print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (found,) = (
        finding for finding in json.loads((tmp_path / "out/audit.json").read_text())["findings"] if finding["file"]
    )
    assert found["file"] == "basophil/enormous.png"
    assert "400000000 pixels" in found["reason"]
    assert int(done.stdout.split()[-1]) < 500_000  # kB; its pixels alone are 1,200,000 as colours


# --- what cannot be judged --------------------------------------------------------------------------------------


def parts(place: Path) -> None:
    for number in range(24):
        save(place / ("train", "test")[number % 2] / ("a", "b")[number // 12] / f"{number}.png", cell(number))


def one_part(place: Path) -> None:
    for number in range(24):
        save(place / "train" / ("a", "b")[number // 12] / f"{number}.png", cell(number))


@pytest.mark.parametrize(
    ("make", "unknown"),
    [
        (one_image, {"leaks", "suspects", "wrong_labels", "shared"}),
        (one_class, {"leaks", "wrong_labels", "shared"}),
        (no_classes, {"leaks", "wrong_labels", "shared"}),
        (one_pixel, {"leaks", "shared"}),
        (blank, {"leaks", "suspects", "wrong_labels", "shared"}),
        (one_part, {"leaks", "shared"}),
        (parts, {"shared"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_looked_for_is_no_zero(make, unknown: set[str], tmp_path: Path, run_audit):
    make(tmp_path / "set")
    audit = run_audit(tmp_path / "set")
    assert set(audit.skipped_checks) == unknown
    assert not unknown & audit.counts().keys()
    assert unknown | audit.counts().keys() == set(KINDS)
    page = write(audit, tmp_path / "out")
    record = json.loads((tmp_path / "out/audit.json").read_text())
    assert record["skipped_checks"] == audit.skipped_checks
    for kind in unknown:
        assert f"{KINDS[kind].title}: not checked: {audit.skipped_checks[kind]}" in html.unescape(page.read_text())


def test_too_few_images_cannot_be_compared(tmp_path: Path, run_audit):
    parts(tmp_path / "set")
    one_image(tmp_path / "other")
    audit = run_audit(tmp_path / "set", against=tmp_path / "other")
    page = write(audit, tmp_path / "out").read_text()
    assert "too few images to test" in page
    assert "area under the ROC curve" not in page
    assert json.loads((tmp_path / "out/audit.json").read_text())["against"]["two_sample_test"] is None


def test_what_cannot_be_read_of_the_other_set_is_unreadable(tmp_path: Path, run_audit):
    parts(tmp_path / "set")
    damaged(tmp_path / "other")
    audit = run_audit(tmp_path / "set", against=tmp_path / "other")
    page = write(audit, tmp_path / "out").read_text()
    unreadable = json.loads((tmp_path / "out/audit.json").read_text())["against"]["unreadable"]
    assert {finding["file"] for finding in unreadable} == {
        "basophil/half.png",
        "basophil/empty.jpg",
        "basophil/text.tif",
    }
    assert all("cannot be read" in finding["reason"] for finding in unreadable)
    assert "3 files of" in page
    assert "basophil/text.tif" in page
