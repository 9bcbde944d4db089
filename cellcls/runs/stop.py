"""The wish to end a run early: Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import attrs

from cellcls.errors import ExitCode, InterruptedRunError


@attrs.define
class Stop:
    """Ctrl-C and SIGTERM: while training they wait for the end of the step, elsewhere they act at once."""

    asked: int | None = None
    waiting: bool = False

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Take the two signals over until the block ends; in a thread, which may not, leave them as they are."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
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
