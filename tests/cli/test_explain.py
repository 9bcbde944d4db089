"""``explain`` on a run of two stages, and on two runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import tiny

from cellcls.cli import main
from cellcls.engine.inference import distinct_names

TWO_STAGES = """
[head]
use = "linear"
pool = "flatten"
[[stages]]
name = "head"
epochs = 1
[[stages]]
name = "finetune"
epochs = 1
optimizer = { use = "adam", lr = 1e-2 }
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder with runs ``small`` (32 pixels) and ``large`` (48), both of two stages, their heads flat."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "two.toml").write_text(tiny(TWO_STAGES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLCLS_CACHE", str(cache))
        for name, size in (("small", 32), ("large", 48)):
            command = ["run", str(folder / "two.toml"), "--out", str(folder / name), "--set", f"input.size={size}"]
            with pytest.raises(SystemExit) as ended:
                main([*command, "--device", "cpu"])
            assert ended.value.code == 0
    return folder


def picture(path: str | Path) -> tuple[int, int]:
    with Image.open(path) as opened:
        opened.load()
        return opened.size


def test_a_run_of_two_stages_is_compared_with_itself(cli, place: Path, runs: Path):
    answer = cli("explain", runs / "small", "--images", "3", "--out", "maps.png", "--json").json()
    compared = answer["comparison"]
    assert compared["names"] == ["1-head", "2-finetune"]
    assert [one["layer"] for one in compared["depths"]] == ["blocks.0.relu", "blocks.1.relu"]
    assert answer["images"] == 3
    for key, name in (
        ("picture", "maps.png"),
        ("compared_picture", "maps-compared.png"),
        ("depths_picture", "maps-depths.png"),
    ):
        assert answer[key] == name
        assert min(picture(place / name)) > 100


def test_the_advice_is_what_a_recipe_says(cli, place: Path, runs: Path):
    out = cli("explain", runs / "small", "--images", "2", "--out", "maps.png").out
    assert "advice: freeze = " in out
    assert "maps-compared.png" in out.replace("\n", "")
    advice = cli("explain", runs / "small", "--images", "2", "--out", "b.png", "--json").json()["comparison"]
    recipe = (
        (runs / "two.toml").read_text().replace('name = "finetune"', f'name = "finetune"\nfreeze = {advice["freeze"]}')
    )
    (place / "advised.toml").write_text(recipe)
    assert cli("check", "advised.toml").code == 0


@pytest.mark.parametrize("given", [True, False], ids=["--data", "its own images"])
def test_runs_of_two_sizes_see_the_images_at_their_own(cli, place: Path, runs: Path, challenge: Path, given: bool):
    data = ("--data", challenge) if given else ()
    for number, (one, other) in enumerate((("small", "large"), ("large", "small"))):
        out = f"maps{number}.png"
        answer = cli("explain", runs / one, runs / other, *data, "--images", "4", "--out", out, "--json").json()
        assert answer["comparison"]["names"] == [one, other]
        assert np.isfinite([depth["similarity"] for depth in answer["comparison"]["depths"]]).all()
        assert picture(answer["compared_picture"])


def test_runs_of_one_name_are_told_apart(cli, place: Path, runs: Path):
    shutil.copytree(runs / "small", place / "a")
    shutil.copytree(runs / "large", place / "d" / "a")
    answer = cli("explain", "a", "d/a", "--images", "2", "--json").json()
    first, second = answer["comparison"]["names"]
    assert first != second
    assert second == "d/a"
    files = {answer[key] for key in ("picture", "compared_picture", "depths_picture")}
    assert len(files) == 3
    assert all(picture(place / file) for file in files)


def test_a_name_is_the_shortest_end_that_tells(tmp_path: Path):
    for name in ("x/run-0.5", "y/run-0.5", "x/stages"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "x/stages/1-head.safetensors").touch()
    x, y = tmp_path / "x", tmp_path / "y"
    assert distinct_names(x / "run-0.5", y / "run-0.5") == ("x/run-0.5", "y/run-0.5")
    assert distinct_names(x / "run-0.5", x / "stages/1-head.safetensors") == ("run-0.5", "1-head")
    assert distinct_names(x, y) == ("x", "y")
    assert distinct_names(x, x) == ("x", "x")


def test_runs_of_other_classes_are_refused(cli, place: Path, runs: Path, pictures: Path):
    assert (
        cli(
            "run",
            runs / "two.toml",
            "--data",
            pictures,
            "--out",
            "own",
            "--set",
            "dataset.use=folder",
            "--set",
            "dataset.file=pictures",
        ).code
        == 0
    )
    said = cli("explain", runs / "small", "own", "--images", "2")
    assert said.code == 65
    assert "classes" in said.err
