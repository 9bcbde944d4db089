"""The page of results: what it says of runs that are there, are missing, have several seeds or another network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from results_page import page
from support.pages import ROOT
from support.runs import write_small_run

from cellcls.recipe import dump, load
from cellcls.registry import load_registry

REGISTRY = load_registry()
RECIPE = """\
# small.toml: three rows of a table.
name = "small"
[backbone]
use = "cnn5"
[[stages]]
epochs = 30
optimizer = { use = "adam", lr = 1e-3 }
[variants.one]
claim = { place = "table 1", test = { accuracy = { value = 0.75, tolerance = 0.1 } } }
[variants.many]
head = { dropout = 0.1 }
[variants.none]
backbone = { use = "timm", model = "tf_efficientnet_b0.in1k", pretrained = true }
[[expect]]
metric = "test.accuracy"
order = ["one", "many"]
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


def made(recipe: Path, folder: Path, marks: list[int], variant: str, *changes: str, seed: int = 42) -> None:
    """Write a finished run of ``variant`` whose claim on the test accuracy holds."""
    write_small_run(folder, {"test": marks}, name=f"small-{variant}", seed=seed)
    one = load(recipe, REGISTRY, variant=variant, overrides=changes)[0]
    (folder / "recipe.toml").write_text(dump(one.recipe))
    metrics = json.loads((folder / "metrics.json").read_text())
    claim = {"evaluation": "test", "metric": "accuracy", "claim": "0.75 +- 0.1", "measured": 0.75, "held": True}
    (folder / "metrics.json").write_text(json.dumps({**metrics, "claims": [claim] if variant == "one" else []}))


def row(text: str, name: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_run_is_beside_its_claim_with_what_differed(recipe: Path, tmp_path: Path):
    made(recipe, tmp_path / "runs/small/one", [1, 1, 1, 0], "one", "stages.0.epochs=4")
    text = page([recipe], tmp_path / "runs", REGISTRY)
    _, measured, claimed, seeds, weights, differed = row(text, "one")
    assert measured.startswith("test 75.0%")
    assert claimed == "test, accuracy 0.75 ± 0.1: 0.7500, **held**"
    assert (seeds, weights) == ("42", "cnn5, random start")
    assert differed == "stages[0].epochs: 30 became 4"
    assert "Three rows of a table." in text


def test_a_claim_about_another_network_is_not_judged(recipe: Path, tmp_path: Path):
    made(recipe, tmp_path / "runs/small/one", [1, 1, 1, 0], "one", "head.dropout=0.5")
    claimed, differed = (row(page([recipe], tmp_path / "runs", REGISTRY), "one")[place] for place in (2, 5))
    assert claimed.endswith("**not checked, another network**")
    assert differed.startswith("head.dropout")


def test_what_was_not_run_says_why(recipe: Path, tmp_path: Path):
    text = page([recipe], tmp_path / "runs", REGISTRY)
    assert row(text, "many")[1] == "not run"
    assert row(text, "none")[1] == "not run: no weights (tf_efficientnet_b0.in1k)"
    assert row(text, "one")[2] == "test, accuracy 0.75 ± 0.1"
    assert "no finished run of many" in text


def test_several_seeds_are_a_mean_with_its_spread_and_are_judged_by_it(recipe: Path, tmp_path: Path):
    recipe.write_text(RECIPE.replace('name = "small"', 'name = "small"\nseeds = [1, 2]'))
    for seed, marks in ((1, [1, 1, 1, 1]), (2, [1, 1, 0, 0])):
        for variant in ("one", "many"):
            made(recipe, tmp_path / f"runs/small/{variant}/small-{variant}-seed{seed}", marks, variant, seed=seed)
    text = page([recipe], tmp_path / "runs", REGISTRY)
    _, measured, _, seeds, *_ = row(text, "many")
    assert measured.startswith("test 75.0% ± 35.4 (2 seeds")
    assert seeds == "1, 2"
    assert "one 0.7500, many 0.7500 | held" in text


def test_rehearsals_and_stopped_runs_do_not_count(recipe: Path, tmp_path: Path):
    write_small_run(tmp_path / "runs/small/one", {"test": [1]}, rehearsal=True)
    write_small_run(tmp_path / "runs/small/many", {"test": [1]}, complete=False)
    text = page([recipe], tmp_path / "runs", REGISTRY)
    assert [row(text, name)[1] for name in ("one", "many")] == ["not run", "not run"]


def test_the_benchmark_runs_once_and_writes_the_page(tmp_path: Path):
    command = ["bash", str(ROOT / "benchmarks/report.sh"), "--rehearse", "--profile", "gpu", "--only", "quickstart"]
    command += ["--runs", str(tmp_path / "runs"), "--page", str(tmp_path / "page.md"), "--threads", "1"]
    environment = {"PYTHON": sys.executable}
    first, again = (_run(command, environment) for _ in range(2))
    assert "quickstart.toml" in first
    assert again == ""  # nothing is made twice
    assert "## quickstart" in (tmp_path / "page.md").read_text()


def _run(command: list[str], environment: dict[str, str]) -> str:
    """Return which runs the benchmark started."""
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return "\n".join(line for line in done.stderr.splitlines() if " -m cellcls run " in line)
