"""Only the call that made a folder removes it, and only what it wrote itself; ``--resume`` removes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import ONE_EPOCH, tiny

from cellcls import report
from cellcls.engine import train
from cellcls.errors import DataError, WriteError

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no report."""
    monkeypatch.setattr(report, "write", lambda run: (run / "report.html").write_text("undrawn"))


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder with what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(place: Path) -> Path:
    """A folder of somebody's: a recipe, pictures of two classes, one of them broken, and sources."""
    folder = place / "proj"
    rng = np.random.default_rng(0)
    for name in ("monocyte", "platelet"):
        (folder / "cells" / name).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "cells" / name / f"{number}.png")
    (folder / "cells" / "platelet" / "0.png").write_bytes(b"broken")
    (folder / "recipe.toml").write_text(tiny(ONE_EPOCH, dataset={"use": "folder", "file": "cells"}))
    (folder / "analysis.py").write_text("print('mine')\n")
    return folder


def test_resume_refuses_a_folder_that_is_no_run_and_leaves_it(cli, project: Path):
    before = files(project)
    said = cli("run", "--resume", "proj")
    assert said.code == 66
    assert "not a run folder" in said.err
    assert files(project) == before


def test_resume_leaves_projects_below_a_folder(cli, place: Path, project: Path):
    (place / "all").mkdir()
    project.rename(place / "all" / "proj")
    before = files(place / "all")
    assert cli("run", "--resume", "all").code == 66
    assert files(place / "all") == before


def test_resume_leaves_a_folder_with_a_sweep_file_of_somebody(cli, place: Path):
    (place / "mine").mkdir()
    (place / "mine" / "sweep.toml").write_text((place / "tiny.toml").read_text() + '[sweep]\nuse = "random"\n')
    before = files(place / "mine")
    assert cli("run", "--resume", "mine").code == 66
    assert files(place / "mine") == before


def test_a_run_killed_before_its_first_state_survives_a_failing_resume(cli, place: Path, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    def full(*_):
        raise WriteError("out/data.json: cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(train, "open_session", killed)
        cli("run", "tiny.toml", "--out", "out")
    (place / "out" / "notes.txt").write_text("mine")
    before = files(place / "out")
    with monkeypatch.context() as patch:
        patch.setattr(train, "open_session", full)
        assert cli("run", "--resume", "out").code == 74
    assert files(place / "out") == before
    assert cli("run", "--resume", "out").code == 0


def test_what_others_lay_into_a_fresh_run_survives_its_failure(cli, place: Path, monkeypatch):
    def fail(job, _machine):
        (job.folder.path / "notes.txt").write_text("mine")
        raise DataError("the pictures went away")

    monkeypatch.setattr(train, "open_session", fail)
    assert cli("run", "tiny.toml", "--out", "out").code == 65
    assert files(place / "out") == {"notes.txt": b"mine"}


def test_an_empty_folder_that_was_there_stays(cli, place: Path, monkeypatch):
    def fail(*_):
        raise DataError("the pictures went away")

    (place / "out").mkdir()
    monkeypatch.setattr(train, "open_session", fail)
    assert cli("run", "tiny.toml", "--out", "out").code == 65
    assert list((place / "out").iterdir()) == []


def test_a_stopped_run_without_options_is_refused_whole(cli, place: Path):
    assert cli("run", "tiny.toml", "--out", "out").code == 0
    (place / "out" / "options.json").unlink()
    (place / "out" / "metrics.json").unlink()
    before = files(place / "out")
    assert cli("run", "--resume", "out").code == 66
    assert files(place / "out") == before


def test_a_trial_killed_while_it_was_planned_goes_on_beside_what_lies_there(cli, place: Path):
    sweep = place / "search.toml"
    sweep.write_text(
        (place / "tiny.toml").read_text()
        + '[sweep]\nuse = "random"\nmetric = "val.loss"\ntrials = 2\n'
        + 'space = { "head.dropout" = { values = [0.0, 0.1, 0.2] } }\n'
    )
    said = cli("run", sweep, "--out", "out")
    assert said.code == 0, said.err
    trial = place / "out" / "trial-001"
    kept = (trial / "options.json").read_bytes()
    for noted in (False, True):
        shutil.rmtree(trial)
        trial.mkdir()
        (trial / "options.json").write_bytes(kept)
        journal = place / "out" / "sweep.jsonl"
        first, second = map(json.loads, journal.read_text().splitlines())
        del second["exit_code"], second["value"]
        journal.write_text("".join(json.dumps(line) + "\n" for line in (first, second)))
        if noted:
            (trial / "notes.txt").write_text("mine")
        resumed = cli("run", "--resume", "out")
        assert resumed.code == 0
        if noted:
            assert (trial / "notes.txt").read_text() == "mine"
            assert "nothing is overwritten" in resumed.err
