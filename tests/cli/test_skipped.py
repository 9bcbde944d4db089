"""Files that are left out of a folder are told, and a bad one does not end what is done with the others."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import ONE_EPOCH, tiny

import cellcls
from cellcls.errors import DataError


@pytest.fixture
def recipe(place: Path, pictures: Path) -> Path:
    """A recipe on a folder with three files that are none of its images, and some that nobody should hear of."""
    for name in ("ig/a.heic", "ig/b.HEIC", "ig/README", "ig/.DS_Store", "ig/Thumbs.db", "ig/.hidden.png"):
        (pictures / name).write_text("x")
    (place / "own.toml").write_text(tiny(ONE_EPOCH, dataset={"use": "folder", "file": "pictures"}, split=None))
    return place / "own.toml"


TOLD = "pictures: 3 files skipped: of another type, .heic (2); without a suffix (1); `cellcls audit` lists them"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings so far, each from the folder's own name on, and forget them."""
    found = [record.getMessage().rpartition("/")[2] for record in caplog.records]
    caplog.clear()
    return found


def test_a_run_tells_once_what_is_skipped_and_keeps_it(cli, place: Path, recipe: Path, caplog):
    said = cli("run", recipe, "--out", "out")
    assert said.code == 0, said.err
    assert warnings(caplog).count(TOLD) == 1
    assert json.loads((place / "out" / "data.json").read_text())["skipped_files"] == [
        {"reason": "of another type, .heic", "n": 2, "examples": ["ig/a.heic", "ig/b.HEIC"]},
        {"reason": "without a suffix", "n": 1, "examples": ["ig/README"]},
    ]
    page = (place / "out" / "report.html").read_text()
    assert "of another type, .heic" in page
    assert "ig/README" in page


def test_check_and_evaluate_tell_it_too(cli, shared_run: Path, recipe: Path, pictures: Path, caplog):
    checked = cli("check", recipe, "--json")
    assert warnings(caplog).count(TOLD) == 1
    assert checked.json()["skipped"] == {"of another type, .heic": 2, "without a suffix": 1}
    assert "of another type, .heic: 2" in cli("check", recipe).out
    assert warnings(caplog).count(TOLD) == 1
    evaluated = cli("evaluate", shared_run, "--data", pictures, "--json")
    assert warnings(caplog).count(TOLD) == 1
    assert [(skipped["reason"], skipped["n"]) for skipped in evaluated.json()["skipped_files"]] == [
        ("of another type, .heic", 2),
        ("without a suffix", 1),
    ]


def test_nothing_is_told_where_nothing_is_skipped(cli, shared_run: Path, pictures: Path, caplog):
    (pictures / "ig" / "._0.png").write_text("x")
    assert cli("evaluate", shared_run, "--data", pictures).code == 0
    assert cli("predict", shared_run, pictures).code == 0
    assert warnings(caplog) == []


def test_a_class_that_is_too_small_is_told_with_what_was_skipped(cli, recipe: Path, pictures: Path):
    for number in (1, 2, 3):
        (pictures / "ig" / f"{number}.png").rename(pictures / "ig" / f"{number}.gif")
    said = cli("check", recipe)
    assert said.code == 65
    (line,) = [line for line in said.err.splitlines() if "cannot be split" in line]
    assert "class `immature_granulocyte` has 1 image left" in line
    assert "6 files skipped: of another type, .gif (3); of another type, .heic (2); without a suffix (1)" in line


def test_a_single_class_is_told_with_what_was_skipped(cli, place: Path, recipe: Path):
    for name in ("Basophils", "thrombocyte"):
        for number in range(4):
            (place / "pictures" / name / f"{number}.png").rename(place / "pictures" / name / f"{number}.svs")
    said = cli("check", recipe)
    assert said.code == 65
    assert "one class" in said.err
    assert "of another type, .svs (8)" in said.err


@pytest.fixture
def day(place: Path, pictures: Path) -> Path:
    """Two images among files that cannot be read."""
    (place / "day" / "empty.png").parent.mkdir()
    for number in (1, 5):
        (place / "day" / f"{number}.png").write_bytes((pictures / "ig" / "0.png").read_bytes())
    (place / "day" / "2.png").write_bytes(b"")
    (place / "day" / "3.jpg").write_bytes((pictures / "ig" / "0.png").read_bytes()[:300])
    (place / "day" / "4.tif").symlink_to("gone.tif")
    (place / "day" / "scan.svs").write_text("x")
    return place / "day"


def test_the_others_are_predicted_and_the_bad_ones_listed(cli, place: Path, shared_run: Path, day: Path, caplog):
    said = cli("predict", shared_run, day, "--json", "--csv", "table.csv")
    assert said.code == 65
    for part in (
        "3 of 5 images cannot be read",
        "2.png: cannot be read: the file is empty",
        "3.jpg",
        "4.tif",
        "other 2",
    ):
        assert part in said.err
    assert warnings(caplog) == ["day: 1 file skipped: of another type, .svs (1); `cellcls audit` lists them"]
    good, *bad, last = said.json()
    assert [Path(row["image"]).name for row in bad] == ["2.png", "3.jpg", "4.tif"]
    assert all(row["predicted"] is None and "cannot be read" in row["error"] for row in bad)
    assert (good["predicted"], good["probabilities"]) == (last["predicted"], last["probabilities"])
    (alone,) = cli("predict", shared_run, day / "1.png", "--json").json()
    assert good["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
    rows = list(csv.DictReader((place / "table.csv").read_text().splitlines()))
    assert [row["predicted"] for row in rows] == [good["predicted"], "", "", "", good["predicted"]]
    assert rows[0]["error"] == ""
    assert "the file is empty" in rows[1]["error"]
    shown = cli("predict", shared_run, day).out
    assert shown.count("cannot be read") == 3
    assert good["predicted"].split("_")[0] in shown


def test_other_bad_inputs_do_not_end_the_prediction(cli, place: Path, shared_run: Path, day: Path, challenge: Path):
    (place / "bad.npz").write_text("no zip")
    (place / "none").mkdir()
    (place / "broken.png").symlink_to("gone.png")
    paths = [day / "1.png", "bad.npz", "none", challenge, "broken.png", "tiny.toml"]
    said = cli("predict", shared_run, *paths, "--json")
    assert said.code == 65
    rows = said.json()
    assert [row["image"] for row in rows if "error" in row] == ["bad.npz", "none", "broken.png", "tiny.toml"]
    assert len(rows) == 1 + 2 + 40 + 2
    assert "bad.npz: cannot be read as an npz file" in rows[1]["error"]
    assert "no images" in rows[2]["error"]


def test_nothing_is_written_where_no_image_can_be_read(cli, place: Path, shared_run: Path, day: Path):
    said = cli("predict", shared_run, day / "2.png", day / "3.jpg", "--csv", "table.csv")
    assert (said.code, said.out) == (65, "")
    assert "2 of 2 images cannot be read" in said.err
    assert not (place / "table.csv").exists()


def test_predict_reads_a_folder_as_data_sets_are_read(cli, place: Path, shared_run: Path, pictures: Path, caplog):
    whole = (pictures / "ig" / "0.png").read_bytes()
    for name in (
        *("day/b.png", "day/patient/a.PNG", "real/c.png"),
        *("day/._b.png", "day/__MACOSX/b.png", "day/@eaDir/b.png/THUMB.png", "day/.hidden/b.png"),
    ):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(whole)
    Image.open(pictures / "ig" / "0.png").save(place / "day" / "d.jpg")
    (place / "day" / "d.jpg").rename(place / "day" / "d.JFIF")
    (place / "day" / "linked").symlink_to("../real")
    (place / "day" / "linked again").symlink_to("../real")
    (place / "day" / "loop").symlink_to(".")
    os.mkfifo(place / "day" / "pipe.png")
    said = cli("predict", shared_run, "day", "--json")
    assert said.code == 0
    assert [row["image"] for row in said.json()] == [
        *("day/b.png", "day/d.JFIF", "day/linked/c.png", "day/patient/a.PNG")
    ]
    assert "1 file skipped: neither a file nor a folder (1)" in caplog.text


def test_the_library_lists_bad_images_and_warns(shared_run: Path, day: Path, caplog: pytest.LogCaptureFixture):
    run = cellcls.open_run(shared_run)
    found = run.predict(day)
    assert [Path(prediction.image).name for prediction in found] == ["1.png", "5.png"]
    assert [Path(bad.name).name for bad in found.bad_images] == ["2.png", "3.jpg", "4.tif"]
    assert "3 of 5 images cannot be read" in caplog.text
    assert run.predict(np.zeros((9, 9, 3), np.uint8)).bad_images == ()
    with pytest.raises(DataError, match=r"2\.png: cannot be read: the file is empty"):
        run.predict(day / "2.png")
