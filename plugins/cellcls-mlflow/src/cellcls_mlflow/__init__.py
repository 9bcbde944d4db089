"""Runs in MLflow."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from cellcls.api import Callback, Component, component, events, hookimpl, param

if TYPE_CHECKING:
    from cellcls.api import RunView

_log = logging.getLogger(__name__)


@component("mlflow")
class MLflow(Callback):
    """Logs settings, the figures of every epoch and the report to MLflow. What fails there never stops the run."""

    experiment: str = param(default="cellcls", help="Name of the experiment; made where it is not there.")
    tracking_uri: str | None = param(
        default=None, help="Where to log: sqlite:///FILE or a server; default: MLflow's own, MLFLOW_TRACKING_URI."
    )

    def run_started(self, event: events.RunStarted, run: RunView) -> None:
        """Log the settings."""
        from cellcls_mlflow.logging import start

        _harmless(lambda: start(run.folder, self.experiment, self.tracking_uri))

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Log the figures of an epoch."""
        from cellcls_mlflow.logging import log_epoch

        _harmless(lambda: log_epoch(run.folder, event, self.tracking_uri))

    def run_ended(self, event: events.RunEnded, run: RunView) -> None:
        """Log the final figures and files, and end MLflow's run."""
        from cellcls_mlflow.logging import end

        _harmless(lambda: end(run.folder, self.tracking_uri))

    def run_failed(self, event: events.RunFailed, run: RunView) -> None:
        """Mark MLflow's run as failed."""
        from cellcls_mlflow.logging import fail

        _harmless(lambda: fail(run.folder, self.tracking_uri))


def _harmless(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception as error:  # a logger's failure is no failure of the run
        _log.warning("mlflow: not logged: %s", " ".join(str(error).split())[:300])


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the callback."""
    return [MLflow]
