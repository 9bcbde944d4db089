"""What ``check`` promises is what the run then is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cellcls.engine.check import CheckedRun, check_run
from cellcls.engine.job import Job
from cellcls.errors import DataError, RecipeError

MORE = """
[[stages]]
name = "all"
epochs = 2
[[stages]]
name = "head"
epochs = 3
freeze = "backbone"
[expand]
copies = 1
"""


def checked(job: Job) -> CheckedRun:
    return check_run(job.inputs, job.options, job.registry)


def test_steps_samples_and_parameters_are_those_worked_out_by_hand(make_job: Callable[..., Job]) -> None:
    found = checked(make_job(MORE))
    assert (found.images, found.dropped) == (80, 0)
    assert found.parts == {"train": 48, "val": 16, "test": 16}
    assert set(found.classes.values()) == {6}
    assert found.samples == 96  # each image and its copy
    assert found.steps == (2 + 3) * 6  # in batches of 16
    assert found.parameters == 680
    assert found.stages == {"all": "0 of 2 modules frozen", "head": "2 of 2 modules frozen"}
    assert (found.weights, found.device, found.precision) == ("random", "cpu", "float32")


def test_nothing_is_written(make_job: Callable[..., Job]) -> None:
    job = make_job(MORE)
    checked(job)
    assert list(job.folder.path.iterdir()) == []


def test_a_rehearsal_takes_one_step_a_stage(make_job: Callable[..., Job]) -> None:
    found = checked(make_job(MORE, rehearse=True))
    assert (found.rehearsal, found.steps, found.weights) == (True, 2, "random (rehearsal)")


def test_the_run_of_the_same_recipe_agrees(make_job: Callable[..., Job], tiny_run: Path) -> None:
    found = checked(make_job("[[stages]]\nepochs = 2\n"))
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    data = json.loads((tiny_run / "data.json").read_text())
    assert found.parameters == metrics["parameters"]
    assert found.parts == {part: len(rows) for part, rows in data["parts"].items()}
    assert found.classes == data["counts"]["train"]


def test_weights_of_another_run_are_named_and_tried(make_job: Callable[..., Job], tiny_run: Path) -> None:
    start = f'[init]\nfrom = "{tiny_run}"\n'
    assert checked(make_job(start)).weights == str(tiny_run)
    with pytest.raises(DataError, match="these are the weights of another network"):
        checked(make_job(start, out="other", overrides=("backbone.filters=[4, 8]",)))


def test_what_the_run_would_refuse_is_refused(make_job: Callable[..., Job]) -> None:
    frozen = '[[stages]]\n[[stages]]\nfreeze = { until = "blocks.7" }\n'
    with pytest.raises(RecipeError, match=r"no module with weights of that name"):
        checked(make_job(frozen))
