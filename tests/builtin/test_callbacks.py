from __future__ import annotations

from pathlib import Path

from cellcls.api import RunView, StageHistory, events
from cellcls.builtin.callbacks import EarlyStopping

EVENT = events.EpochEnded(stage=0, epoch=0, metrics={}, best=False, seconds=0.0)


class History(StageHistory):
    def __init__(self, figures: dict[str, list[float]]) -> None:
        self.figures = figures

    def values(self, metric: str) -> list[float]:
        return self.figures[metric]


class Run(RunView):
    def __init__(self, **figures: list[float]) -> None:
        self.history = History({name.replace("_", ".", 1): values for name, values in figures.items()})
        self.folder = Path()
        self.reasons: list[str] = []

    def end_stage(self, reason: str) -> None:
        self.reasons.append(reason)


def test_it_waits_for_its_patience() -> None:
    run = Run(val_accuracy=[0.1, 0.9, 0.8, 0.9])
    EarlyStopping(patience=3).epoch_ended(EVENT, run)
    assert run.reasons == []
    EarlyStopping(patience=2).epoch_ended(EVENT, run)
    assert run.reasons == ["val.accuracy did not improve for 2 epochs"]


def test_a_loss_is_best_low() -> None:
    run = Run(val_loss=[0.9, 0.5, 0.4])
    EarlyStopping(watch="val.loss", patience=1).epoch_ended(EVENT, run)
    assert run.reasons == []


def test_the_first_epoch_never_ends_a_stage() -> None:
    run = Run(val_accuracy=[0.1])
    EarlyStopping(patience=1).epoch_ended(EVENT, run)
    assert run.reasons == []
