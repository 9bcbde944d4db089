"""Callbacks: they observe a run, log, and may request to stop; they never change the training itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cellcls.api import Callback, component, param

if TYPE_CHECKING:
    from cellcls.api import RunView, events


@component("early_stopping")
class EarlyStopping(Callback):
    """Ends a stage when a metric has not improved for ``patience`` epochs (Prechelt 1998, criterion UP)."""

    watches: ClassVar[tuple[str, ...]] = ("watch",)
    waits: ClassVar[tuple[str, ...]] = ("patience",)
    watch: str = param(
        default="val.accuracy", help="Metric to watch, EVALUATION.METRIC. Losses are minimised, others maximised."
    )
    patience: int = param(default=5, ge=1, help="Epochs without a new best value after which the stage ends.")

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Request the end of the stage when the best value is ``patience`` epochs old."""
        if run.history.epochs_since_best(self.watch) >= self.patience:
            run.end_stage(f"{self.watch} did not improve for {self.patience} epochs")
