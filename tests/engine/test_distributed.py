"""Two processes of torchrun end where one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.equality import without_times
from support.recipes import tiny

RECIPE = """
[[augment]]
use = "flip"
[[augment]]
use = "mixup"
p = 0.5
[[augment]]
use = "cutmix"
p = 0.5
[[stages]]
epochs = 2
optimizer = { use = "sgd", lr = 0.02, momentum = 0.9 }
[[stages]]
epochs = 1
freeze = "backbone"
optimizer = { use = "sgd", lr = 0.02 }
"""


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CELLCLS_CACHE": str(folder / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_end_where_one_does(tmp_path: Path):
    (tmp_path / "two.toml").write_text(tiny(RECIPE, train={"batch_size": 14}))
    train = ["cellcls", "run", "two.toml", "--device", "cpu", "--out"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    _run([sys.executable, "-m", *train, "one"], tmp_path)
    _run([sys.executable, *launch, *train, "both"], tmp_path)
    one, both = (load_file(tmp_path / run / "last.safetensors") for run in ("one", "both"))
    for name, tensor in one.items():
        torch.testing.assert_close(both[name], tensor, rtol=0, atol=5e-5)  # sums in another order
    figures = [json.loads((tmp_path / run / "metrics.json").read_text())["evaluations"] for run in ("one", "both")]
    for evaluation in ("val", "test"):
        first, second = (without_times(figure[evaluation]) for figure in figures)
        for metric in ("loss", "calibration_error"):  # of probabilities, which differ as the weights do
            assert first.pop(metric) == pytest.approx(second.pop(metric), abs=1e-4)
        np.testing.assert_allclose(first.pop("reliability"), second.pop("reliability"), atol=1e-4)
        assert first == second
    assert json.loads((tmp_path / "both" / "environment.json").read_text())["processes"] == 2
