"""What is shipped: a wheel that runs in a new environment, and the papers of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.environments import install, new_environment
from support.pages import ROOT


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with nothing of cellcls but the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # hatchling leaves nothing behind in the checkout
    source.mkdir()
    for name in ("cellcls", "recipes"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist", source]
    subprocess.run(build, check=True, capture_output=True)
    made = new_environment(folder / "env", with_cellcls=False)
    install(made, next((folder / "dist").glob("*.whl")))
    return made


def _run(binaries: Path, folder: Path, *words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CELLCLS_CACHE": str(folder / "cache"), "PYTHONPATH": ""}
    done = subprocess.run(
        [binaries / "cellcls", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_brings_its_recipes_and_runs_the_quickstart(binaries: Path, tmp_path: Path):
    listed = _run(binaries, tmp_path, "recipes", "ls")
    assert all(path.stem in listed for path in (ROOT / "recipes").glob("*.toml"))
    assert str(ROOT) not in listed
    assert _run(binaries, tmp_path, "recipes", "cp", "quickstart").strip() == "quickstart.toml"
    quick = ["--set", "dataset.images_per_class=20", "--set", "stages.0.epochs=1", "--set", "input.size=32"]
    assert "report: runs/quickstart-1/report.html" in _run(binaries, tmp_path, "run", "quickstart.toml", *quick)
    assert (tmp_path / "runs/quickstart-1/report.html").exists()


def test_the_changelog_is_made_from_its_fragments():
    subprocess.run([sys.executable, ROOT / "tools/changelog.py", "--check"], check=True)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CITATION.cff", "LICENSE", ".pre-commit-config.yaml"])
def test_the_repository_has_its_papers(name: str):
    assert (ROOT / name).stat().st_size > 100
