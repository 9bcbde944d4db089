"""A ``~`` that no shell expanded, wherever a path is taken: --data=~/cells, quotes, a library call."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import cellcls


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_run: Path) -> Path:
    """Return a home folder with a run and a recipe that is laid over another one and starts from that run."""
    home = tmp_path / "home"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    home.mkdir()
    shutil.copytree(shared_run, home / "first")
    shutil.copy(shared_run / "recipe.toml", home / "below.toml")
    (elsewhere / "over.toml").write_text('base = "~/below.toml"\n[init]\nfrom = "~/first"\n')
    shutil.copy(elsewhere / "over.toml", home / "over.toml")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    return home


def test_commands(cli, home: Path):
    assert cli("check", "~/over.toml").code == 0
    assert cli("check", "over.toml", "--weights", "~/weights", "--set", "init.from=~/first").code == 0
    said = cli("run", "~/over.toml", "--out", "~/second", "--rehearse")
    assert said.code == 0
    assert (home / "second" / "metrics.json").is_file()
    assert not Path("~").exists()
    assert cli("run", "--resume", "~/second").code == 2, "found, and complete"
    assert cli("compare", "~/first", "~/second").code == 0


def test_pictures_and_sets(cli, home: Path, pictures: Path):
    shutil.copytree(pictures, home / "pictures")
    assert cli("predict", "~/first", "~/pictures", "--csv", "~/said.csv").code == 0
    assert (home / "said.csv").is_file()


def test_the_library(home: Path):
    assert cellcls.open_run("~/first").folder == home / "first"
    assert cellcls.check("~/over.toml", set={"init.from": "~/first"}, weights="~/weights")
    Image.new("RGB", (32, 32)).save(home / "cell.png")
    run = cellcls.Run(Path("~/first"))
    for image in ("~/cell.png", Path("~/cell.png")):
        assert len(run.predict(image)) == 1
    assert cellcls.compare(["~/first", Path("~/first")])
