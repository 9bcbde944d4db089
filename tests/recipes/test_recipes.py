"""Every shipped recipe: found by glob, loads, is checked, runs to its end in a rehearsal; one of them on real cells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cellcls import report
from cellcls.engine.check import check_run
from cellcls.engine.job import Job
from cellcls.engine.train import run
from cellcls.recipe import Loaded, load
from cellcls.registry import Registry, load_registry
from cellcls.runs.folder import make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options

FOLDER = Path(__file__).parents[2] / "recipes"
RECIPES = sorted(FOLDER.glob("**/*.toml"))
HEAVY = ("efficientnetv2_", "convnext_base", "vgg16")
"""Models whose rehearsal takes long; all but the first of each file's are left to ``make check-all``."""


def _variants() -> list[Any]:
    registry = load_registry()
    found = []
    for path in RECIPES:
        loaded = {one.variant: one for one in reversed(load(path, registry, rehearse=True))}
        for name, one in reversed(loaded.items()):
            heavy = any(part in getattr(one.recipe.backbone, "model", "") for part in HEAVY)
            marks = [pytest.mark.slow] if heavy and path.stem != "final" else []
            found.append(pytest.param(path, name, id=f"{path.stem}-{name}", marks=marks))
    return found


VARIANTS = _variants()


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_the_shipped_recipes_are_found():
    assert len(RECIPES) == 16
    assert len(VARIANTS) == 53
    assert sum(bool(one.marks) for one in VARIANTS) == 13  # the slow ones


def test_the_page_of_recipes_is_up_to_date():
    command = [sys.executable, str(FOLDER.parent / "tools" / "recipes_readme.py"), "--check"]
    assert subprocess.run(command).returncode == 0, "run python tools/recipes_readme.py"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_says_what_it_is_for(path: Path):
    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# {path.name}: ")


@pytest.mark.parametrize(("path", "variant"), VARIANTS)
def test_a_variant_passes_check_and_runs_to_its_end_in_a_rehearsal(
    path: Path, variant: str | None, registry: Registry, tmp_path: Path
):
    options = Options(device="cpu", rehearse=True)
    one = load(path, registry, variant=variant, rehearse=True)[0]
    inputs = find_inputs(one.recipe, one.file, registry, options)
    checked = check_run(inputs, options, registry)
    assert checked.steps == len(one.recipe.stages)
    job = Job(inputs=inputs, folder=make_folder(tmp_path / "run"), options=options, registry=registry)
    _finish(job)
    metrics = json.loads(job.folder.metrics.read_text())
    assert metrics["rehearsal"]
    assert set(metrics["evaluations"]) == {evaluation.name for evaluation in one.recipe.evaluate}
    assert "random weights" in (job.folder.path / "report.html").read_text()


def _finish(job: Job) -> None:
    for _event in run(job):
        pass
    report.write(job.folder.path)


def test_lite_runs_on_real_cells(small_challenge_npz: Path, registry: Registry, tmp_path: Path):
    options = Options(device="cpu", data=small_challenge_npz.parent)
    overrides = ("stages.0.epochs=2", "stages.1.epochs=1", "explain.0.images=4")
    loaded: Loaded = load(FOLDER / "lite.toml", registry, overrides=overrides)[0]
    inputs = find_inputs(loaded.recipe, loaded.file, registry, options)
    job = Job(inputs=inputs, folder=make_folder(tmp_path / "lite"), options=options, registry=registry)
    _finish(job)
    data = json.loads(job.folder.data.read_text())
    assert data["n"] == 40 * 8 + 1800
    assert len(data["decisions"]) >= 1800
    metrics = json.loads(job.folder.metrics.read_text())
    assert metrics["evaluations"]["test"]["accuracy"] > 0.5  # chance is 0.125; 250 cells were trained on
