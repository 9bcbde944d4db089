from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import RecordWriter

from cellcls.api import events
from cellcls_tensorboard import TensorBoard, cellcls_components

TINY = """
[dataset]
use = "synthetic"
images_per_class = 6
[split]
val = 0.2
test = 0.2
[input]
size = 32
[backbone]
use = "cnn5"
filters = [4]
[[stages]]
epochs = 2
"""


def run(place: Path, more: str, out: str = "out") -> subprocess.CompletedProcess[str]:
    (place / "tiny.toml").write_text(TINY + more)
    command = [sys.executable, "-m", "cellcls", "run", "tiny.toml", "--out", out]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)


def points(run: Path) -> dict[str, dict[int, float]]:
    """Read the event files back, the later file replacing what it repeats."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted((run / "tensorboard").iterdir(), key=lambda one: one.stat().st_mtime_ns):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            event = Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="tensorboard")
    assert entry.load().cellcls_components() == cellcls_components() == [TensorBoard]
    assert RecordWriter


def test_listing_imports_no_writer():
    code = "import sys, cellcls_tensorboard; sys.exit('tensorboardX' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_runs_history_is_what_was_written(tmp_path: Path):
    done = run(tmp_path, '[[callbacks]]\nuse = "tensorboard"\n')
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out/history.jsonl").read_text().splitlines()]
    written = points(tmp_path / "out")
    for name in ("train.loss", "val.accuracy"):
        expected = {place: line[name] for place, line in enumerate(lines, 1)}
        assert written[name.replace(".", "/")] == pytest.approx(expected, rel=1e-5)


def test_a_failure_is_told_and_harmless(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    class View:
        folder = tmp_path / "nowhere"

    event = events.EpochEnded(stage=0, epoch=0, metrics={"val.loss": 1.0}, best=True, seconds=1.0)
    with caplog.at_level(logging.WARNING):
        TensorBoard().epoch_ended(event, View())  # type: ignore[arg-type]
    assert "epoch 1 is not logged" in caplog.text
