"""A search that was killed goes on from its journal as if it had not been."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cellcls.api import Choice
from cellcls.testing import TINY, write_recipe
from cellcls_optuna import TreeParzen

SWEEP = {
    "use": "tpe",
    "trials": 4,
    "random_first": 1,
    "metric": "val.loss",
    "space": {"stages.0.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True}},
}
RECIPE = {**TINY, "requires": ["cellcls-optuna"], "seed": 5, "sweep": SWEEP}
COMMAND = [sys.executable, "-m", "cellcls", "run"]


def journal(folder: Path) -> list[dict[str, Any]]:
    path = folder / "sweep.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_killed_search_makes_the_same_trials(tmp_path: Path):
    write_recipe(tmp_path / "search.toml", RECIPE)
    subprocess.run([*COMMAND, "search.toml", "--out", "whole"], cwd=tmp_path, check=True, capture_output=True)
    child = subprocess.Popen([*COMMAND, "search.toml", "--out", "killed"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while len(journal(tmp_path / "killed")) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    child.kill()
    child.wait()
    stopped = journal(tmp_path / "killed")
    assert [("exit_code" in line) for line in stopped] == [True, True, False]
    subprocess.run([*COMMAND, "--resume", "killed"], cwd=tmp_path, check=True, capture_output=True)
    whole = journal(tmp_path / "whole")
    assert journal(tmp_path / "killed") == whole
    best = [json.loads((tmp_path / name / "best.json").read_text()) for name in ("killed", "whole")]
    assert best[0] == best[1]
    space = {"stages.0.optimizer.lr": Choice(low=1e-5, high=1e-2, log=True)}
    forgetful = TreeParzen(space=space, metric="val.loss", random_first=1).build(seed=5)(3, [])
    assert forgetful != whole[3]["settings"]  # what was found does guide where it looks
