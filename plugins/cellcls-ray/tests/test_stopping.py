"""Ctrl-C while a cluster executes runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

RECIPE = """
name = "two"
[dataset]
use = "synthetic"
images_per_class = 4
[input]
size = 32
[backbone]
use = "cnn5"
filters = [4]
[[stages]]
epochs = 50000
[variants.a]
[variants.b]
seed = 3
"""
CELLCLS = [sys.executable, "-m", "cellcls"]


def test_stopped_runs_save_and_go_on(tmp_path: Path):
    (tmp_path / "two.toml").write_text(RECIPE)
    command = [*CELLCLS, "run", "two.toml", "--out", "out", "--launcher", "ray:workers=2"]
    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    histories = [tmp_path / "out" / name / "history.jsonl" for name in ("two-a", "two-b")]
    try:
        until = time.monotonic() + 120
        while not all(path.is_file() and path.stat().st_size for path in histories) and time.monotonic() < until:
            time.sleep(0.1)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=100)
    finally:
        child.kill()
    assert child.returncode == 130, said
    assert "cellcls run --resume out --launcher ray" in said
    assert "Traceback" not in said
    for path in histories:
        assert (path.parent / "state/state.safetensors").is_file()
        done = len(path.read_text().splitlines())
        kept = path.with_name("recipe.toml")  # so that the rest is quick
        kept.write_text(kept.read_text().replace("epochs = 50000", f"epochs = {done + 1}"))
    subprocess.run([*CELLCLS, "run", "--resume", "out"], cwd=tmp_path, check=True, timeout=100)
    assert all(json.loads(path.read_text().splitlines()[-1])["epoch"] > 0 for path in histories)
