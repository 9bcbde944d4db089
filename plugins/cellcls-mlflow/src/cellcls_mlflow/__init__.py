"""Runs in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cellcls.api import Callback, Component, component, hookimpl, param

if TYPE_CHECKING:
    from cellcls.api import RunView, events
    from cellcls_mlflow.logging import Place


@component("mlflow")
class MLflow(Callback):
    """Logs settings, the metrics of every epoch and of the end to MLflow. What fails there never stops the run."""

    logs: ClassVar[bool] = True
    imports: ClassVar[tuple[str, ...]] = ("mlflow",)

    experiment: str = param(default="cellcls", help="Name of the experiment; made where it is not there.")
    tracking_uri: str | None = param(
        default=None, help="Where to log: sqlite:///FILE or a server; default: MLflow's own, MLFLOW_TRACKING_URI."
    )

    def _place(self, run: RunView) -> Place:
        from cellcls_mlflow.logging import Place

        return Place(run.folder, self.experiment, self.tracking_uri)

    def run_started(self, event: events.RunStarted, run: RunView) -> None:
        """Make MLflow's run and log the settings, or go on with the run that was made before."""
        self._place(run).go_on()

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Log the metrics of the epoch, and what could not be logged before."""
        self._place(run).log()

    def run_ended(self, event: events.RunEnded, run: RunView) -> None:
        """Log the final metrics and files, and end MLflow's run."""
        self._place(run).end()

    def run_failed(self, event: events.RunFailed, run: RunView) -> None:
        """Mark MLflow's run as failed."""
        self._place(run).fail()


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the callback."""
    return [MLflow]
