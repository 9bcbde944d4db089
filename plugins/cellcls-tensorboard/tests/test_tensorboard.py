from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from cellcls.errors import MissingPluginError
from cellcls.testing import TINY, ComponentTests, command, run_recipe, write_recipe
from cellcls_tensorboard import TensorBoard, cellcls_components

RECIPE = {**TINY, "callbacks": [{"use": "tensorboard"}]}


class TestComponents(ComponentTests):
    plugin = "cellcls_tensorboard"


def points(run: Path) -> dict[str, dict[int, float]]:
    """Read the event files back as TensorBoard does: from the step of a session's start on, earlier points go."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted((run / "tensorboard").iterdir(), key=lambda one: one.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            if event.session_log.status == SessionLog.START:
                found = {tag: {at: one for at, one in curve.items() if at < event.step} for tag, curve in found.items()}
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def assert_written(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    written = points(run)
    for name in ("train.loss", "val.accuracy", "lr"):
        expected = {place: line[name] for place, line in enumerate(lines, 1)}
        assert written[name.replace(".", "/")] == pytest.approx(expected, rel=1e-5)


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="tensorboard")
    assert entry.load().cellcls_components() == cellcls_components() == [TensorBoard]


def test_listing_imports_no_writer():
    code = "import sys, cellcls_tensorboard; sys.exit('tensorboardX' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_runs_history_is_what_was_written_in_one_file(tmp_path: Path):
    run = run_recipe(RECIPE, tmp_path / "run")
    assert_written(run)
    assert len(list((run / "tensorboard").iterdir())) == 1


def test_a_run_that_was_stopped_goes_on_in_the_same_curves(tmp_path: Path):
    run = run_recipe(RECIPE, tmp_path / "run", stop_after=3)
    (lost,) = (run / "tensorboard").iterdir()
    lost.write_bytes(b"")  # as after a kill, which leaves what was not yet written
    write_recipe(tmp_path / "tiny.toml", RECIPE)
    done = command("run", "--resume", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list((run / "tensorboard").iterdir())) == 2
    assert_written(run)


def test_a_library_that_cannot_be_imported_is_harmless(tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/tensorboardX.py").write_text("raise ImportError('half installed')")
    path = os.pathsep.join([str(tmp_path / "broken"), *sys.path])
    write_recipe(tmp_path / "tiny.toml", RECIPE)
    done = command("run", "tiny.toml", "--out", "out", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("tensorboard: not logged, and the run goes on: ImportError: half installed") == 1
    assert not list(tmp_path.glob("cellcls-crash*"))


def test_a_library_that_is_missing_is_told_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cellcls.runs.inputs.find_spec", lambda _: None)
    with pytest.raises(MissingPluginError, match="needs the library `tensorboardX`") as told:
        run_recipe(RECIPE, tmp_path / "run")
    assert "cellcls-tensorboard" in str(told.value)
    assert not (tmp_path / "run").exists()
