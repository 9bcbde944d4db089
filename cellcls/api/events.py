"""The events of a run, in the order in which the loop yields them::

    RunStarted
    for each stage:
        StageStarted
        for each epoch:
            EpochStarted
            for each step:
                StepEnded
            for each evaluation that select, a schedule or a callback watches:
                ValidationEnded
            EpochEnded                  # a line of history.jsonl is on disk
        StageEnded                      # the stage's weights are on disk
    RunEnded                            # every evaluation and explanation is on disk
    (RunFailed in place of what would follow, when the run breaks)

A callback has one method an event, named in snake_case.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class RunStarted:
    """Data and network are ready. Counts are of images; ``resumed`` tells whether a saved state was found."""

    folder: Path
    train: int
    val: int
    test: int
    parameters: int
    device: str
    resumed: bool


@attrs.frozen(kw_only=True)
class StageStarted:
    """``trained``: number of parameters that will change."""

    stage: int
    name: str
    epochs: int
    steps_per_epoch: int
    trained: int


@attrs.frozen(kw_only=True)
class EpochStarted:
    """``epoch`` counts from 0 within the stage."""

    stage: int
    epoch: int


@attrs.frozen(kw_only=True)
class StepEnded:
    """``step`` counts from 0 within the epoch; ``loss`` is the step's mean, ``lr`` the learning rate it used."""

    stage: int
    epoch: int
    step: int
    steps: int
    loss: float
    lr: float


@attrs.frozen(kw_only=True)
class ValidationEnded:
    """One evaluation of the epoch. ``metrics``: ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``loss``."""

    stage: int
    epoch: int
    evaluation: str
    metrics: Mapping[str, float]


@attrs.frozen(kw_only=True)
class EpochEnded:
    """``metrics``: all metrics of the epoch by dotted name (``train.loss``, ``val.accuracy``); ``best`` tells
    whether its weights are the best so far by ``train.select``."""

    stage: int
    epoch: int
    metrics: Mapping[str, float]
    best: bool
    seconds: float


@attrs.frozen(kw_only=True)
class StageEnded:
    """``reason``: why it ended before its last epoch (None: it did not)."""

    stage: int
    name: str
    weights: Path
    reason: str | None


@attrs.frozen(kw_only=True)
class RunEnded:
    """``metrics``: accuracy of each evaluation by its name."""

    folder: Path
    metrics: Mapping[str, float]


@attrs.frozen(kw_only=True)
class RunFailed:
    """``error``: the reason in one line; ``resumable``: whether a state is on disk."""

    folder: Path
    error: str
    resumable: bool


Event = (
    RunStarted
    | StageStarted
    | EpochStarted
    | StepEnded
    | ValidationEnded
    | EpochEnded
    | StageEnded
    | RunEnded
    | RunFailed
)
