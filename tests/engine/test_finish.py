"""The end of a run: its figures, its claims, and what is left in its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from cellcls.engine.finish import claims
from cellcls.engine.job import Job
from cellcls.recipe import Recipe

CLAIM = """
[claim]
place = "table 1"
test.accuracy = { value = 0.9, tolerance = 0.05 }
test.macro_f1 = { above = 0.5 }
val.loss = { below = 1.0 }
train_running.loss = { value = 0.2, tolerance = 0.1 }
"""


@pytest.fixture
def claimed(make_job: Callable[..., Job]) -> Recipe:
    return make_job(CLAIM).recipe


def test_a_claim_holds_within_its_band(claimed: Recipe) -> None:
    measured = {
        "test": {"accuracy": 0.94, "macro_f1": 0.4},
        "val": {"loss": 0.99},
        "train_running": {"loss": 0.31},
    }
    held = {f"{one.evaluation}.{one.metric}": one.held for one in claims(claimed, measured)}
    assert held == {"test.accuracy": True, "test.macro_f1": False, "val.loss": True, "train_running.loss": False}


def test_what_was_not_measured_is_not_held(claimed: Recipe) -> None:
    found = list(claims(claimed, {"test": {"accuracy": None}}))
    assert [(one.measured, one.held) for one in found] == [(None, False)] * 4
    assert {one.place for one in found} == {"table 1"}


def test_a_recipe_without_claims_makes_none(make_job: Callable[..., Job]) -> None:
    assert list(claims(make_job().recipe, {"test": {"accuracy": 1.0}})) == []


def test_the_figures_of_a_run_are_those_of_its_predictions(tiny_run: Path) -> None:
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    assert metrics["complete"] is True
    assert metrics["parameters"] == 680
    assert metrics["stages_ended_early"] == {}
    for name in ("val", "test"):
        with np.load(tiny_run / "predictions" / f"{name}.npz") as rows:
            label, said = rows["label"], rows["probabilities"].argmax(1)
        assert metrics["evaluations"][name]["accuracy"] == pytest.approx(accuracy_score(label, said))
        with np.load(tiny_run / "examples" / f"{name}.npz") as shown:
            assert len(shown["label"]) == min(24, (said != label).sum())
            assert (shown["predicted"] != shown["label"]).all()


def test_the_running_figures_are_those_of_the_last_epoch(tiny_run: Path) -> None:
    last = json.loads((tiny_run / "history.jsonl").read_text().splitlines()[-1])
    running = json.loads((tiny_run / "metrics.json").read_text())["train_running"]
    assert running == {"loss": last["train.loss"], "accuracy": last["train.accuracy"]}


def test_no_state_is_left(tiny_run: Path) -> None:
    assert not (tiny_run / "state").exists()


def test_a_part_without_images_is_not_evaluated(make_job: Callable[..., Job], execute) -> None:
    job = make_job("[[stages]]\nepochs = 1\n", overrides=("split.test=0",))
    execute(job)
    assert list(json.loads(job.folder.metrics.read_text())["evaluations"]) == ["val"]
