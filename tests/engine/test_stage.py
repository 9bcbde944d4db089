"""A stage in progress: what its optimizer trains, how fast, and what is written of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

from cellcls.engine.device import machine
from cellcls.engine.job import Job
from cellcls.engine.session import Session, open_session
from cellcls.engine.stage import open_stage

TWO = """
[[stages]]
optimizer = { use = "sgd", lr = 0.25 }
[[stages]]
name = "head"
freeze = "backbone"
optimizer = { use = "sgd", lr = 0.5, momentum = 0.9 }
"""


@pytest.fixture
def session(make_job: Callable[..., Job]) -> Session:
    job = make_job(TWO)
    return open_session(job, machine(job.options, "float32"))


def test_the_optimizer_gets_what_the_stage_trains_and_no_more(session: Session) -> None:
    def trained(number: int) -> tuple[str, int, tuple[str, ...]]:
        stage = open_stage(session, number)
        parameters = [one.numel() for group in stage.optimizer.param_groups for one in group["params"]]
        return stage.name, sum(parameters), stage.frozen

    head = 8 * 8 + 8
    assert trained(0) == ("1", (3 * 9 * 6 + 6) + (6 * 9 * 8 + 8) + head, ())
    assert trained(1) == ("head", head, ("blocks.0.conv", "blocks.1.conv"))


def test_a_schedule_scales_the_rate_the_stage_began_with(session: Session) -> None:
    stage = open_stage(session, 1)
    for factor, rate in ((0.5, 0.25), (0.1, 0.05), (1.0, 0.5)):
        stage.scale_lr(factor)
        assert (stage.lr, stage.initial_lr) == (pytest.approx(rate), 0.5)


def test_what_a_stopped_run_left_is_given_to_its_stage_alone(session: Session) -> None:
    before = open_stage(session, 1)
    for parameter in session.network.head.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    before.optimizer.step()
    session.optimizer_state = before.optimizer.state_dict()
    resumed, later = open_stage(session, 1), open_stage(session, 1)
    held = [state["momentum_buffer"] for state in resumed.optimizer.state.values()]
    assert len(held) == 2
    assert all(bool((one == 2.0).all()) for one in held)
    assert not later.optimizer.state


def test_the_record_of_a_stage_counts_what_it_trains(session: Session) -> None:
    open_stage(session, 1)
    record = json.loads((session.job.folder.path / "stages" / "2-head.json").read_text())
    assert record["frozen"] == ["blocks.0.conv", "blocks.1.conv"]
    assert (record["trained_parameters"], record["parameters"]) == (72, 680)


def test_a_rehearsal_takes_one_step(make_job: Callable[..., Job], session: Session) -> None:
    job = make_job(TWO, out="rehearsal", rehearse=True)
    assert open_stage(open_session(job, machine(job.options, "float32")), 0).steps == 1
    assert open_stage(session, 0).steps == 3  # 48 images in batches of 16
