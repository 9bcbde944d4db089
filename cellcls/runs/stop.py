"""Handles requests to end a run early: Ctrl-C and SIGTERM."""

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
    """A request to stop by Ctrl-C or SIGTERM: takes effect after the current training step, elsewhere at once."""

    asked: int | None = None
    waiting: bool = False

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Handle the two signals within the block, except in threads, where Python does not allow it."""
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
        """Delay signals within the block, whose loop checks ``asked`` after each step."""
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
