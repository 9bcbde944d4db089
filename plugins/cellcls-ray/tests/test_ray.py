from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from cellcls_ray import Ray, cellcls_components

RECIPE = """
name = "two"
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
epochs = 1
[variants.a]
[variants.b]
seed = 3
[variants.wrong]
stages = [{ epochs = 9, optimizer = { use = "sgd", lr = 1e30 } }]
"""


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="ray")
    assert entry.load().cellcls_components() == cellcls_components() == [Ray]


def test_listing_imports_no_ray():
    code = "import sys, cellcls_ray; sys.exit('ray' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def cellcls(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cellcls", *args]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)


def test_variants_run_on_a_cluster_of_two_workers(tmp_path: Path):
    (tmp_path / "two.toml").write_text(RECIPE)
    done = cellcls(tmp_path, "run", "two.toml", "--out", "ray", "--launcher", "ray:workers=2")
    alone = cellcls(tmp_path, "run", "two.toml", "--out", "alone")
    for name in ("two-a", "two-b"):
        ours, theirs = (json.loads((tmp_path / out / name / "metrics.json").read_text()) for out in ("ray", "alone"))
        assert ours["evaluations"]["test"]["confusion"] == theirs["evaluations"]["test"]["confusion"]
    assert (tmp_path / "ray/comparison.html").is_file()
    assert done.returncode == alone.returncode == 75, done.stderr
    assert "two-wrong: ended with 75" in done.stderr
    assert "the loss became" in done.stderr


def test_a_cluster_that_is_not_there_is_one_message(tmp_path: Path):
    (tmp_path / "two.toml").write_text(RECIPE)
    done = cellcls(tmp_path, "run", "two.toml", "--out", "out", "--launcher", "ray:address=127.0.0.1:1")
    assert done.returncode == 69
    assert "no Ray cluster at 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
