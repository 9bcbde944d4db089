"""One run to be made, and the wish to end it early."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import attrs

from cellcls.errors import ExitCode, InterruptedRunError
from cellcls.registry import Registry
from cellcls.run.folder import RunFolder
from cellcls.run.inputs import Inputs
from cellcls.run.options import Options


@attrs.define
class Stop:
    """Ctrl-C and SIGTERM: while training they wait for the end of the step, elsewhere they act at once."""

    asked: int | None = None
    waiting: bool = False

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Take the two signals over until the block ends."""
        before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def between_steps(self) -> Iterator[None]:
        """Let signals wait within the block, whose loop asks ``asked`` after each step."""
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False

    def _heard(self, number: int, _frame: FrameType | None) -> None:
        again, self.asked = self.asked is not None, number
        if again or not self.waiting:
            raise stopped(number)


def stopped(number: int, *hints: str) -> InterruptedRunError:
    """Return the error that ends a run on a signal."""
    interrupt = number == signal.SIGINT
    code = ExitCode.INTERRUPTED if interrupt else ExitCode.TERMINATED
    return InterruptedRunError("stopped by Ctrl-C" if interrupt else "stopped by SIGTERM", *hints, code=code)


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
