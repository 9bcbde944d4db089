"""A stopped run goes on with its own recipe and data only; a refusal writes nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import tiny

from cellcls import report
from cellcls.engine import train
from cellcls.ops.rendering.cells import render


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "write", lambda run: (run / "report.html").write_text("undrawn"))


def cells(folder: Path, first: int = 0, names: tuple[str, str] = ("basophil", "monocyte")) -> None:
    for label, name in zip((0, 5), names, strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(first, first + 15):
            Image.fromarray(render(label, number, size=32).image).save(folder / name / f"{number:03}.png")


@pytest.fixture
def stop(cli, place: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that stops a run on a folder of pictures in its second step."""

    def stop(more: str = "") -> Path:
        cells(place / "A")
        recipe = tiny(f"[[stages]]\nepochs = 3\n{more}", dataset={"use": "folder", "file": "A"})
        (place / "cells.toml").write_text(recipe)
        take, steps = train.take_step, []

        def counted(*args):
            steps.append(1)
            if len(steps) == 2:
                os.kill(os.getpid(), signal.SIGINT)
            return take(*args)

        with monkeypatch.context() as patch:
            patch.setattr(train, "take_step", counted)
            assert cli("run", "cells.toml", "--out", "out", "--threads", "1").code == 130
        return place / "out"

    return stop


@pytest.fixture
def stopped(stop: Callable[..., Path]) -> Path:
    return stop()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def deleted(place: Path) -> None:
    (place / "A" / "basophil" / "003.png").unlink()


def pixel(place: Path) -> None:
    path = place / "A" / "basophil" / "003.png"
    image = np.array(Image.open(path))
    image[0, 0, 0] ^= 1
    Image.fromarray(image).save(path)


def renamed(place: Path) -> None:
    (place / "A" / "basophil").rename(place / "A" / "platelet")


def relabelled(place: Path) -> None:
    shutil.move(place / "A" / "basophil" / "003.png", place / "A" / "monocyte" / "999.png")


@pytest.mark.parametrize("change", [deleted, pixel, renamed, relabelled], ids=lambda change: change.__name__)
def test_other_data_are_refused(cli, place: Path, stopped: Path, change: Callable[[Path], None]) -> None:
    change(place)
    before = content(stopped)
    said = cli("run", "--resume", "out")
    assert said.code == 65, said.err
    assert "not the data that this run was started with" in said.err
    assert content(stopped) == before


def test_another_set_is_refused_and_not_kept_among_the_options(cli, place: Path, stopped: Path) -> None:
    cells(place / "B", first=500)
    before = content(stopped)
    assert cli("run", "--resume", "out", "--data", "B").code == 65
    assert content(stopped) == before
    assert cli("run", "--resume", "out").code == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("seed = 7", "seed = 8", "seed: 7 -> 8"),
        ("batch_size = 16", "batch_size = 8", "train.batch_size: 16 -> 8"),
        ("epochs = 3", "epochs = 4", "stages.0.epochs: 3 -> 4"),
        ("lr = 0.001", "lr = 0.01", "stages.0.optimizer.lr: 0.001 -> 0.01"),
        ("filters = [6, 8]", "filters = [6, 9]", "backbone.filters: [6, 8] -> [6, 9]"),
    ],
)
def test_another_recipe_is_refused(cli, stopped: Path, old: str, new: str, says: str) -> None:
    path = stopped / "recipe.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    before = content(stopped)
    said = cli("run", "--resume", "out")
    assert said.code == 78, said.err
    assert says in said.err
    assert content(stopped) == before
    path.write_text(text)
    assert cli("run", "--resume", "out").code == 0


def test_the_same_data_in_another_place_are_taken(
    cli, place: Path, stopped: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (place / "A").rename(place / "moved")
    said = cli("run", "--resume", "out", "--data", "moved")
    assert said.code == 0, said.err
    assert "another environment" not in caplog.text


def test_the_files_of_a_cleaner_in_another_place_are_taken(cli, place: Path, stop: Callable[..., Path]) -> None:
    cells(place / "sets" / "B", first=10)  # shares a third with A
    stopped = stop('[[cleaners]]\nuse = "drop_shared"\nagainst = { use = "folder", file = "sets/B" }\n')
    (place / "sets").rename(place / "moved")
    (place / "A").rename(place / "moved" / "A")
    said = cli("run", "--resume", "out", "--data", "moved")
    assert said.code == 0, said.err
    assert len(json.loads((stopped / "data.json").read_text())["decisions"]) == 10


def test_another_environment_is_reported(cli, stopped: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = stopped / "environment.json"
    found = json.loads(path.read_text())
    found["threads"], found["versions"]["torch"] = 7, "2.10.0"
    path.write_text(json.dumps(found))
    said = cli("run", "--resume", "out")
    assert said.code == 0
    assert "another environment" in caplog.text
    assert "threads: 7 -> " in caplog.text
    assert "versions.torch: 2.10.0 -> " in caplog.text
