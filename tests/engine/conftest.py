"""Tiny runs: a few dozen rendered cells of 32 pixels and a network of a few thousand weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.recipes import RECIPE
from support.recipes import tiny as tiny_recipe

from cellcls.api import events
from cellcls.engine.job import Job
from cellcls.engine.train import run
from cellcls.recipe import load
from cellcls.registry import Registry, load_registry
from cellcls.runs.folder import make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options
from cellcls.testing import run_recipe

Make = Callable[..., Job]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture
def make_job(tmp_path: Path, registry: Registry) -> Make:
    """Return a function that makes a job from TOML added to the tiny recipe."""

    def make(
        more: str = "", *, out: str = "run", tiny: str | None = None, overrides: tuple[str, ...] = (), **job: Any
    ) -> Job:
        recipe = tmp_path / "tiny.toml"
        recipe.write_text(tiny_recipe(more) if tiny is None else tiny + more)
        options = Options(device="cpu", rehearse=job.pop("rehearse", False))
        loaded = load(recipe, registry, overrides=overrides, rehearse=options.rehearse)[0]
        inputs = find_inputs(loaded.recipe, recipe, registry, options)
        return Job(inputs=inputs, folder=make_folder(tmp_path / out), options=options, registry=registry, **job)

    return make


@pytest.fixture
def execute() -> Callable[[Job], list[events.Event]]:
    """Return a function that runs a job to its end and returns its events."""
    return lambda job: list(run(job))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep decoded copies of these tests in one folder of their own."""
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs of the tiny recipe; tests change nothing in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLCLS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run_recipe({**RECIPE, "stages": [{"epochs": 2}]}, tmp_path_factory.mktemp("tiny") / "run")
