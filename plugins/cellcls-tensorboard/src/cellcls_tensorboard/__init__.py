"""The history of a run as TensorBoard events."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from cellcls.api import Callback, Component, component, hookimpl

if TYPE_CHECKING:
    from cellcls.api import RunView, events


@component("tensorboard")
class TensorBoard(Callback):
    """Writes the metrics of every epoch to RUN/tensorboard. What fails there never stops the run."""

    logs: ClassVar[bool] = True
    imports: ClassVar[tuple[str, ...]] = ("tensorboardX",)

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Write one point of each curve."""
        from cellcls_tensorboard.writing import write_epochs

        write_epochs(run.folder)

    def run_ended(self, event: events.RunEnded, run: RunView) -> None:
        """Close the file."""
        from cellcls_tensorboard.writing import close

        close(run.folder)

    def run_failed(self, event: events.RunFailed, run: RunView) -> None:
        """Close the file."""
        from cellcls_tensorboard.writing import close

        close(run.folder)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the callback."""
    return [TensorBoard]
