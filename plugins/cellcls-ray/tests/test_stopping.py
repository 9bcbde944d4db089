"""Ctrl-C while a cluster executes runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from cellcls.testing import TINY, write_recipe

RECIPE = {
    **TINY,
    "name": "two",
    "stages": [{"epochs": 50000}],
    "variants": {"a": {}, "b": {"seed": 3}},
}
CELLCLS = [sys.executable, "-m", "cellcls"]


def _interrupt_after_an_epoch(command: list[str], place: Path, histories: list[Path]) -> str:
    """Start runs, stop them by Ctrl-C when each has done an epoch more, and return what they said."""
    before = {path: _epochs(path) for path in histories}
    child = subprocess.Popen([*CELLCLS, *command], cwd=place, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while not all(_epochs(path) > before[path] for path in histories) and time.monotonic() < until:
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, messages = child.communicate(timeout=100)
    finally:
        child.kill()
    assert child.returncode == 130, messages
    assert "Traceback" not in messages
    assert all(_epochs(path) > before[path] for path in histories), messages
    return messages


def _epochs(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.is_file() else 0


def test_stopped_runs_save_and_go_on(tmp_path: Path):
    write_recipe(tmp_path / "two.toml", RECIPE)
    histories = [tmp_path / "out" / name / "history.jsonl" for name in ("two-a", "two-b")]
    command = ["run", "two.toml", "--out", "out", "--launcher", "ray:workers=2"]
    messages = _interrupt_after_an_epoch(command, tmp_path, histories)
    assert "cellcls run --resume out --launcher ray" in messages
    assert all((path.parent / "state/state.safetensors").is_file() for path in histories)
    _interrupt_after_an_epoch(["run", "--resume", "out", "--launcher", "ray:workers=2"], tmp_path, histories)
    for path in histories:
        epochs = [json.loads(line)["epoch"] for line in path.read_text().splitlines()]
        assert epochs == list(range(len(epochs)))
