"""The history of a run as TensorBoard events."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cellcls.api import Callback, Component, component, events, hookimpl

if TYPE_CHECKING:
    from cellcls.api import RunView

_log = logging.getLogger(__name__)


@component("tensorboard")
class TensorBoard(Callback):
    """Writes the figures of every epoch to RUN/tensorboard. What fails there never stops the run."""

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Write one point of each curve."""
        from cellcls_tensorboard.writing import write_epoch

        try:
            write_epoch(run.folder, event)
        except Exception as error:  # a logger's failure is no failure of the run
            _log.warning("tensorboard: epoch %d is not logged: %s", event.epoch + 1, error)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the callback."""
    return [TensorBoard]
