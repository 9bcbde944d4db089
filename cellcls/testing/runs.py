"""Tiny runs of a few dozen rendered cells, and when two runs are equal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import tomli_w
import torch
from safetensors.numpy import load_file

from cellcls.api import Component, events
from cellcls.engine.job import Job
from cellcls.engine.train import run
from cellcls.errors import InterruptedRunError
from cellcls.ops.storage.files import write_text
from cellcls.recipe import Recipe, load
from cellcls.registry import PluginRecord, Registry, load_registry
from cellcls.runs.folder import RunFolder, make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options

TIMES = {"seconds", "seconds_per_image", "memory_mb"}
TINY: Mapping[str, Any] = {
    "name": "tiny",
    "seed": 7,
    "dataset": {"use": "synthetic", "images_per_class": 4},
    "input": {"size": 32},
    "backbone": {"use": "cnn5", "filters": [4, 6]},
    "head": {"use": "linear", "dropout": 0.3},
    "train": {"batch_size": 8},
    "stages": [{"epochs": 2, "optimizer": {"use": "adamw", "lr": 1e-3}, "schedule": {"use": "constant"}}],
}
"""16 training images in 2 steps an epoch, 2 epochs."""


def run_recipe(
    recipe: Mapping[str, Any], folder: Path, *components: type[Component], stop_after: int | None = None
) -> Path:
    """Run a recipe, given as data, on the CPU into ``folder`` and return it; what is there already goes on.

    ``components``: offered besides the installed plugins' where those lack them. ``stop_after``: ask for the run's
    end, as Ctrl-C does, after so many steps. What fails in a logger fails here.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".toml")
    read, registry, options = read_recipe(recipe, file, *components), registry_with(*components), Options(device="cpu")
    inputs = find_inputs(read, file, registry, options)
    place = RunFolder(folder) if folder.exists() else make_folder(folder)
    job = Job(inputs=inputs, folder=place, options=options, registry=registry, save_share=1.0, loggers_may_fail=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        _exhaust(job, stop_after)
    finally:
        torch.set_num_threads(threads)
    return folder


def write_recipe(file: Path, recipe: Mapping[str, Any]) -> Path:
    """Write a recipe, given as data, to ``file`` and return it."""
    write_text(file, tomli_w.dumps(dict(recipe)))
    return file


def command(*args: str | Path, cwd: Path, timeout: float = 240, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``cellcls`` with ``args`` in a process of its own that works in ``cwd``, and return how it ended.

    ``environment``: variables besides this process's. Raises ``subprocess.TimeoutExpired`` after ``timeout`` seconds.
    """
    return subprocess.run(
        [sys.executable, "-m", "cellcls", *map(str, args)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def read_recipe(recipe: Mapping[str, Any], file: Path, *components: type[Component]) -> Recipe:
    """Write a recipe, given as data, to ``file`` and read it. Raises what ``load`` raises."""
    (loaded,) = load(write_recipe(file, recipe), registry_with(*components))
    return loaded.recipe


def _exhaust(job: Job, stop_after: int | None) -> None:
    steps = 0
    try:
        for event in run(job):
            steps += isinstance(event, events.StepEnded)
            if stop_after is not None and steps >= stop_after:
                job.stop.asked = signal.SIGINT
    except InterruptedRunError:
        if stop_after is None:
            raise


@cache
def _installed() -> Registry:
    return load_registry()


def registry_with(*components: type[Component]) -> Registry:
    """Return the installed registry, with ``components`` that it lacks."""
    found = _installed()
    lacking = tuple(cls for cls in components if found.find(cls.kind, cls.component_name) is not cls)
    if not lacking:
        return found
    joined = {kind: dict(named) for kind, named in found.components.items()}
    for cls in lacking:
        joined[cls.kind][cls.component_name] = cls
    record = PluginRecord(name="tested", distribution="tested", version="0", origin="tests", components=lacking)
    return attrs.evolve(found, components=joined, plugins=(*found.plugins, record))


def without_times(value: Any) -> Any:
    """Return JSON data without what differs between equal runs."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def assert_equal_runs(one: Path, other: Path) -> None:
    """Fail where two run folders differ in weights, metrics, data or history, times left aside."""
    weights = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    others = sorted(path.relative_to(other) for path in other.rglob("*.safetensors"))
    assert weights == others, "the runs kept different weights files"
    assert len(weights) >= 3, f"{one} holds no finished run"
    lines = [[json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()] for run in (one, other)]
    assert without_times(lines[0]) == without_times(lines[1]), "the runs differ in their history"
    for name in weights:
        left, right = load_file(one / name), load_file(other / name)
        assert left.keys() == right.keys(), f"{name} holds other tensors"
        for key, tensor in left.items():
            assert tensor.tobytes() == right[key].tobytes(), f"the runs differ in {name}: {key}"
    for file in ("metrics.json", "data.json"):
        read = [without_times(json.loads((run / file).read_text())) for run in (one, other)]
        assert read[0] == read[1], f"the runs differ in {file}"
