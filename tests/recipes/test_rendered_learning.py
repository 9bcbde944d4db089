"""What the rendered cells are made for, by training on them: minutes, so in ``make check-all`` only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cellcls.engine.job import Job
from cellcls.engine.train import run
from cellcls.recipe import load
from cellcls.registry import load_registry
from cellcls.runs.folder import make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options

QUICKSTART = Path(__file__).parents[2] / "recipes" / "quickstart.toml"
PLANTED = ("dataset.conflicting=0.2", "dataset.outliers=200")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def _run(folder: Path, recipe: Path, *overrides: str) -> float:
    registry, options = load_registry(), Options(device="cpu")
    loaded = load(recipe, registry, overrides=overrides)[0]
    inputs = find_inputs(loaded.recipe, recipe, registry, options)
    job = Job(inputs=inputs, folder=make_folder(folder), options=options, registry=registry)
    for _event in run(job):
        pass
    accuracy: float = json.loads(job.folder.metrics.read_text())["evaluations"]["test"]["accuracy"]
    return accuracy


@pytest.mark.parametrize("seed", [42, 43])
def test_cnn5_learns_the_rendered_cells_and_does_not_find_them_trivial(tmp_path: Path, seed: int):
    accuracy = _run(tmp_path / "run", QUICKSTART, f"seed={seed}")
    assert 0.85 <= accuracy <= 0.98


def test_leaving_planted_faults_costs_at_least_three_points(tmp_path: Path):
    """Both are tested on clean cells: a conflicting or repeated image is always in the training part."""
    clean = tmp_path / "clean.toml"
    cleaners = '[[cleaners]]\nuse = "drop_duplicates"\n[[cleaners]]\nuse = "drop_outliers"\n'
    clean.write_text(f'base = "{QUICKSTART}"\n{cleaners}')
    small = ("input.size=48", "stages.0.epochs=8")
    with_cleaning = _run(tmp_path / "a", clean, *PLANTED, *small)
    without = _run(tmp_path / "b", QUICKSTART, *PLANTED, *small)
    assert with_cleaning - without >= 0.03, (with_cleaning, without)
