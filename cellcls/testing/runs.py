"""Tiny runs on a few dozen rendered cells, and a comparison of two runs."""

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
"""16 training images: 2 epochs of 2 steps."""


def run_recipe(
    recipe: Mapping[str, Any], folder: Path, *components: type[Component], stop_after: int | None = None
) -> Path:
    """Run a recipe, given as data, on the CPU in ``folder``, or resume the run there; return the folder.

    ``components``: available in addition to those of installed plugins. ``stop_after``: stop the run, as Ctrl-C does,
    after this many steps. Unlike in ``cellcls run``, errors in loggers are raised.
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
    """Run ``cellcls`` with ``args`` in a new process in ``cwd``; return the completed process.

    ``environment``: additional variables. Raises ``subprocess.TimeoutExpired`` after ``timeout`` seconds.
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
    """Return the registry of installed plugins, plus ``components`` that it lacks."""
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
    """Return JSON data without times and memory, which differ between equal runs."""
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def assert_equal_runs(first: Path, second: Path) -> None:
    """Fail if two run folders differ in weights, metrics, data or history, except for times."""
    weights = sorted(path.relative_to(first) for path in first.rglob("*.safetensors"))
    others = sorted(path.relative_to(second) for path in second.rglob("*.safetensors"))
    assert weights == others, "the runs have different weights files"
    assert len(weights) >= 3, f"{first} is not a finished run"
    lines = [[json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()] for run in (first, second)]
    assert without_times(lines[0]) == without_times(lines[1]), "the runs differ in their history"
    for name in weights:
        left, right = load_file(first / name), load_file(second / name)
        assert left.keys() == right.keys(), f"{name} has different tensors"
        for key, tensor in left.items():
            assert tensor.tobytes() == right[key].tobytes(), f"the runs differ in {name}: {key}"
        equal = (first / name).read_bytes() == (second / name).read_bytes()
        assert equal, f"the runs differ in what {name} says beside its tensors"
    for file in ("metrics.json", "data.json"):
        read = [without_times(json.loads((run / file).read_text())) for run in (first, second)]
        assert read[0] == read[1], f"the runs differ in {file}"
