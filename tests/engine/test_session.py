"""A run in progress: what callbacks see of it, when its state is saved, and what is refused before its first step."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from support.sources import noise

from cellcls.api import events
from cellcls.engine import session as module
from cellcls.engine.device import machine
from cellcls.engine.job import Job
from cellcls.engine.session import History, Session, SessionView, open_session
from cellcls.engine.stage import open_stage
from cellcls.engine.state import Progress
from cellcls.errors import DataError
from cellcls.recipe import Split
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options
from cellcls.runs.records import EpochRecord

Open = Callable[..., Session]


@pytest.fixture
def opened(make_job: Callable[..., Job]) -> Open:
    """Return a function that opens a session of the tiny recipe with lines added."""

    def make(more: str = "", **job: object) -> Session:
        made = make_job(more, **job)
        return open_session(made, machine(made.options, "float32"))

    return make


def epoch(stage: int, **metrics: float | None) -> EpochRecord:
    return EpochRecord(stage=stage, stage_name=str(stage), epoch=0, metrics=metrics)


def test_a_callback_sees_the_epochs_of_its_stage(tmp_path: Path) -> None:
    progress = Progress(
        stage=1, history=[epoch(0, loss=3.0), epoch(1, loss=2.0), epoch(1, loss=None), epoch(1, loss=1.0)]
    )
    assert SessionView(tmp_path, progress).history.values("loss") == [2.0, 1.0]
    assert History(progress.history, 0).values("loss") == [3.0]
    assert History(progress.history, 0).values("accuracy") == []


def test_the_first_reason_to_end_a_stage_counts(tmp_path: Path) -> None:
    progress = Progress()
    view = SessionView(tmp_path, progress)
    view.end_stage("no better")
    view.end_stage("too late")
    assert progress.stop_reason == "no better"


def test_watching_an_empty_part_is_refused(opened: Open) -> None:
    with pytest.raises(DataError, match="the part `val` has no images"):
        opened(overrides=("split.val=0",))


def test_what_is_known_is_written_before_the_first_step(opened: Open) -> None:
    session = opened('[[augment]]\nuse = "flip"\n[expand]\ncopies = 2\n')
    folder = session.job.folder
    written = {path.name for path in folder.path.iterdir()}
    assert written == {"recipe.toml", "environment.json", "data.json", "history.jsonl"}
    counts = json.loads(folder.data.read_text())["counts"]
    assert set(counts["train"].values()) == {6}
    assert set(counts["samples"].values()) == {6 * 3}  # each image and two copies of it
    assert folder.history.read_text() == ""
    assert not session.resumed


def test_a_set_that_brings_its_parts_replaces_the_recipes_split(
    opened: Open, make_job: Callable[..., Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    counts = {"train": 16, "val": 8, "test": 8}
    arrays = {f"{part}_images": noise(count, 32) for part, count in counts.items()}
    arrays |= {f"{part}_labels": (np.arange(count) % 8)[:, None].astype(np.uint8) for part, count in counts.items()}
    np.savez(tmp_path / "own.npz", **arrays)
    job = make_job()
    options = Options(device="cpu", data=tmp_path / "own.npz")
    inputs = find_inputs(job.recipe, tmp_path / "tiny.toml", job.registry, options)
    with caplog.at_level(logging.WARNING):
        session = open_session(
            Job(inputs=inputs, folder=job.folder, options=options, registry=job.registry), machine(options, "float32")
        )
    assert {part: len(rows) for part, rows in session.data.parts.items()} == counts
    assert "its own train, val and test count, not the recipe's [split]" in caplog.text
    assert session.recipe.split == Split()


class Clock:
    """A clock that moves when it is told to; saving takes ``save`` seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, save: float) -> None:
        self.seconds, self.saved = 0.0, 0

        def saving(*_args: object) -> None:
            self.seconds += save
            self.saved += 1

        monkeypatch.setattr(module, "save_state", saving)
        monkeypatch.setattr(module.time, "monotonic", lambda: self.seconds)


def test_saving_takes_no_more_than_its_share(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(save_share=0.1)
    clock = Clock(monkeypatch, save=2.0)
    session.last_saved = clock.seconds
    session.save(None)  # what it takes is not known yet
    for seconds, saved in ((19.0, 1), (2.0, 2), (0.0, 2)):
        clock.seconds += seconds
        session.save(None)
        assert clock.saved == saved
    session.save(None, force=True)
    assert clock.saved == 3


def test_within_an_epoch_the_state_is_saved_every_so_often(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    session = opened(save_every=30.0, save_share=1.0)
    optimizer = open_stage(session, 0).optimizer
    clock = Clock(monkeypatch, save=1.0)
    session.last_saved = clock.seconds
    for _second in range(95):
        clock.seconds += 1
        session.save_if_long_ago(optimizer)
    assert clock.saved == 3


def test_weights_that_are_no_numbers_replace_no_good_ones(opened: Open) -> None:
    session = opened()
    session.save(None, force=True)
    good = session.job.folder.saved.read_bytes()
    with torch.no_grad():
        next(session.network.parameters())[0, 0, 0, 0] = torch.nan
    session.save(None, force=True)
    assert session.job.folder.saved.read_bytes() == good


def test_callbacks_hear_of_an_event_before_it_is_yielded(opened: Open) -> None:
    heard: list[tuple[str, int]] = []

    class Listening:
        logs = False

        def __init__(self, name: str) -> None:
            self.name = name

        def epoch_started(self, event: events.EpochStarted, _view: SessionView) -> None:
            heard.append((self.name, event.epoch))

    session = opened()
    session.job = _with_callbacks(session.job, Listening("first"), Listening("second"))
    heard += [("yielded", event.epoch) for event in session.emit(events.EpochStarted(stage=0, epoch=4))]
    assert heard == [("first", 4), ("second", 4), ("yielded", 4)]


def _with_callbacks(job: Job, *callbacks: object) -> Job:
    recipe = attrs.evolve(job.inputs.recipe, callbacks=callbacks)
    return attrs.evolve(job, inputs=attrs.evolve(job.inputs, recipe=recipe))
