"""Runs that are killed go on bit for bit: kill -9 at random moments, Ctrl-C, SIGTERM."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.equality import assert_equal_runs

from cellcls.api import events
from cellcls.engine.job import Job
from cellcls.engine.train import run
from cellcls.errors import DataError, ExitCode, InterruptedRunError

KILLS = 24
RECIPE = """
[[augment]]
use = "flip"
[[augment]]
use = "blur"
p = 0.5
[[augment]]
use = "cutmix"
p = 0.5
[head]
use = "linear"
dropout = 0.3
[loss]
use = "cross_entropy"
class_weights = "balanced"
[[stages]]
name = "all"
epochs = 5
optimizer = { use = "adamw", lr = 1e-3 }
schedule = { use = "reduce_on_plateau", patience = 0 }
[[stages]]
name = "head"
epochs = 3
freeze = "backbone"
optimizer = { use = "lion", lr = 1e-4 }
schedule = { use = "one_cycle" }
[[callbacks]]
use = "early_stopping"
watch = "val.loss"
patience = 3
[[explain]]
use = "grad_cam"
images = 4
[prediction]
temperature = "val"
unknown = 0.1
"""
OVERRIDES = ("train.ema_decay=0.9", "train.accumulate=2", "train.batch_size=8")


def _forked(work: Callable[[], None]) -> int:
    """Start ``work`` in a child process and return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside torch's threads: the child only computes
        child = os.fork()
    if child:
        return child
    try:
        torch.set_num_threads(1)
        work()
        os._exit(0)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)


def _exhaust(job: Job) -> None:
    for _event in run(job):
        pass


def _go_on(job: Job) -> Job:
    """Return the job as ``cellcls run --resume`` makes it."""
    return Job(
        inputs=job.inputs,
        folder=job.folder,
        options=job.options,
        registry=job.registry,
        save_every=job.save_every,
        save_share=job.save_share,
    )


MOMENTS = frozenset({"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "step"})
"""Where a run is killed: at what touches a file, and between steps."""


def _killed(job: Job, moment: int | None, counted: Path) -> None:
    """Run ``job`` in this process and kill it as kill -9 does at a ``moment``, counted from 0; None: at none.

    How many there were is written to ``counted`` at the end.
    """
    seen, done = itertools.count(), []

    def happened(event: str, _arguments: object = None) -> None:
        if not done and event in MOMENTS and next(seen) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(happened)
    for event in run(job):
        if isinstance(event, events.StepEnded):
            happened("step")
    done.append(True)
    counted.write_text(str(next(seen)))


def _ended(work: Callable[[], None]) -> int:
    return os.waitpid(_forked(work), 0)[1]


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(make_job, tmp_path: Path):
    torch.set_num_threads(1)
    often = {"overrides": OVERRIDES, "save_every": 0.0, "save_share": 1.0}
    calm, counted = make_job(RECIPE, out="calm", **often), tmp_path / "moments"
    assert _ended(lambda: _killed(calm, None, counted)) == 0
    whole = int(counted.read_text())
    dice = random.Random(20)
    kills, before_a_state, runs = 0, 0, 0
    while kills < KILLS:
        runs += 1
        job = make_job(RECIPE, out=f"killed-{runs}", **often)
        finished, latest = False, whole // 50  # a run's first kill comes before there is anything to save
        while not finished:
            moment = dice.randrange(latest) if kills < KILLS else None
            latest = whole // 5
            status = _ended(lambda job=job, moment=moment: _killed(_go_on(job), moment, counted))  # type: ignore[misc]
            if os.WIFSIGNALED(status):
                kills += 1
                before_a_state += not job.folder.saved.exists()
            else:
                assert status == 0
                finished = True
        assert_equal_runs(calm.folder.path, job.folder.path)
        assert not job.folder.state.exists()
    assert before_a_state >= 1


def _stopped_by(job: Job, number: int, steps: int) -> InterruptedRunError:
    """Run ``job`` and send this process a signal after some steps."""

    def signalled() -> None:
        taken = 0
        for event in run(job):
            taken += type(event).__name__ == "StepEnded"
            if taken == steps:
                os.kill(os.getpid(), number)

    with job.stop.listening(), pytest.raises(InterruptedRunError) as stopped:
        signalled()
    return stopped.value


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_saves_and_says_how_to_go_on(make_job, number: int, code: ExitCode):
    calm, stopped = make_job(RECIPE, out="calm"), make_job(RECIPE, out="stopped")
    _exhaust(calm)
    with stopped.stop.between_steps():  # a signal between two events waits for the end of the next step
        error = _stopped_by(stopped, number, steps=4)
    assert error.exit_code == code
    assert (stopped.folder.state / "state.safetensors").exists()
    _exhaust(_go_on(stopped))
    assert_equal_runs(calm.folder.path, stopped.folder.path)


def test_a_damaged_state_is_told(make_job):
    job = make_job(RECIPE)
    job.folder.state.mkdir()
    (job.folder.state / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match="the saved state is damaged"):
        _exhaust(job)


def test_resuming_keeps_the_frozen_set(make_job, tmp_path: Path):
    job = make_job(RECIPE, save_every=0.0, save_share=1.0)
    for event in run(job):
        if type(event).__name__ == "StepEnded" and event.stage == 1:
            break
    before = json.loads((job.folder.path / "stages" / "2-head.json").read_text())
    _exhaust(_go_on(job))
    assert json.loads((job.folder.path / "stages" / "2-head.json").read_text()) == before
    assert before["frozen"]
