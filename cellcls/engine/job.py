"""One run to be made."""

from __future__ import annotations

from typing import Any

import attrs

from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.inputs import Inputs
from cellcls.runs.options import Options
from cellcls.runs.stop import Stop


@attrs.frozen(kw_only=True)
class Job:
    """One run: what is trained on what, where it is written, on which machine."""

    inputs: Inputs
    folder: RunFolder
    options: Options
    registry: Registry
    stop: Stop = attrs.field(factory=Stop)
    save_every: float = 30.0
    """Seconds between two states within an epoch."""
    save_share: float = 0.02
    """Share of the time that saving may take."""
    loggers_may_fail: bool = True
    """Whether an error in a logger is only told; not in the tests of one."""

    @property
    def recipe(self) -> Any:
        """The recipe, its inputs found."""
        return self.inputs.recipe
