"""What `check` says a run will take is near what it then takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[2] / "recipes" / "quickstart.toml"
SMALL = ("--set", "dataset.images_per_class=24", "--set", "stages.0.epochs=1")
NETWORKS = {
    "cnn5": ("--set", "input.size=96"),
    "lite": (
        "--set",
        "backbone.use=timm",
        "--set",
        "backbone.model=tf_efficientnet_lite0",
        "--set",
        "head.pool=average",
    ),
}


def _answer(folder: Path, *arguments: str) -> dict[str, object]:
    """Ask in a process of its own, as memory that earlier tests took counts else."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CELLCLS_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "cellcls", *arguments, "--device", "cpu", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=250)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_the_estimate_is_within_thirty_percent(tmp_path: Path, network: tuple[str, ...]):
    estimated = _answer(tmp_path, "check", str(QUICKSTART), *SMALL, *network)["memory_mb"]
    measured = _answer(tmp_path, "run", str(QUICKSTART), "--out", "run", *SMALL, *network)["metrics"]["memory_mb"]
    assert estimated == pytest.approx(measured, rel=0.3)
