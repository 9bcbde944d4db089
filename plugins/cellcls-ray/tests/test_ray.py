from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from cellcls.testing import TINY, ComponentTests, command, write_recipe
from cellcls_ray import Ray, cellcls_components

WRONG = {**TINY["stages"][0], "epochs": 9, "optimizer": {"use": "sgd", "lr": 1e30}}
RECIPE = {
    **TINY,
    "name": "two",
    "stages": [{**TINY["stages"][0], "epochs": 1}],
    "variants": {"a": {}, "b": {"seed": 3}, "wrong": {"stages": [WRONG]}},
}


class TestComponents(ComponentTests):
    plugin = "cellcls_ray"


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="ray")
    assert entry.load().cellcls_components() == cellcls_components() == [Ray]


def test_listing_imports_no_ray():
    code = "import sys, cellcls_ray; sys.exit('ray' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_variants_run_on_a_cluster_of_two_workers(tmp_path: Path):
    write_recipe(tmp_path / "two.toml", RECIPE)
    done = command("run", "two.toml", "--out", "ray", "--launcher", "ray:workers=2", cwd=tmp_path)
    alone = command("run", "two.toml", "--out", "alone", cwd=tmp_path)
    for name in ("two-a", "two-b"):
        ours, theirs = (json.loads((tmp_path / out / name / "metrics.json").read_text()) for out in ("ray", "alone"))
        assert ours["evaluations"]["test"]["confusion"] == theirs["evaluations"]["test"]["confusion"]
    assert (tmp_path / "ray/comparison.html").is_file()
    assert done.returncode == alone.returncode == 75, done.stderr
    assert "two-wrong: ended with exit code 75" in done.stderr
    assert "the loss became" in done.stderr


def test_a_cluster_that_is_not_there_is_one_message(tmp_path: Path):
    write_recipe(tmp_path / "two.toml", RECIPE)
    done = command("run", "two.toml", "--out", "out", "--launcher", "ray:address=127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 69
    assert "no Ray cluster at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
