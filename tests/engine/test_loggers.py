"""What fails in a callback that only logs is told and stops nothing; in another callback it ends the run."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import attrs
import pytest

from cellcls.api import Callback, changed, component
from cellcls.engine.job import Job


def failing(self: Any, event: Any, run: Any) -> None:
    raise ImportError("half\ninstalled")


@component("broken_logger")
class Logger(Callback):
    """Fails at every event."""

    logs: ClassVar[bool] = True
    run_started = epoch_ended = run_ended = failing


@component("broken_judge")
class Judge(Callback):
    """Fails at the end of an epoch."""

    epoch_ended = failing


def watched_by(callback: Callback, job: Job) -> Job:
    return attrs.evolve(job, inputs=attrs.evolve(job.inputs, recipe=changed(job.recipe, callbacks=(callback,))))


def test_a_logger_never_stops_a_run(make_job, execute, caplog: pytest.LogCaptureFixture):
    job = watched_by(Logger(), make_job("[[stages]]\nepochs = 2\n"))
    with caplog.at_level(logging.WARNING):
        execute(job)
    assert job.folder.metrics.exists()
    said = "broken_logger: not logged, and the run goes on: ImportError: half installed"
    assert [one for one in caplog.messages if "logged" in one] == [said], "once, in one line"


def test_in_its_own_tests_a_logger_fails(make_job, execute):
    job = watched_by(Logger(), make_job("[[stages]]\nepochs = 1\n", loggers_may_fail=False))
    with pytest.raises(ImportError):
        execute(job)


def test_another_callback_fails_loudly(make_job, execute):
    with pytest.raises(ImportError):
        execute(watched_by(Judge(), make_job("[[stages]]\nepochs = 1\n")))
