"""Limits on what importing a plugin may do to the process that imports it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from typing import Any


@contextmanager
def guarded() -> Iterator[list[str]]:
    """Run the block with stdout redirected to stderr; yield a list that afterwards holds one warning per side effect.

    Threads started in the block become daemons, so that none keeps the command from ending. The working folder is
    restored. A process forked in the block ends with it.
    """
    warnings: list[str] = []
    pid = os.getpid()
    try:
        with ExitStack() as stack:
            for guard in (_stdout_to_stderr, _daemon_threads):
                stack.enter_context(guard())
            stack.enter_context(_same_folder(warnings))
            yield warnings
    finally:
        if os.getpid() != pid:
            os._exit(0)


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """Keep a command's JSON answer free of other output, whether written by Python or by C code."""
    if sys.stdout is not None:  # a service, or pythonw, has none
        sys.stdout.flush()
    try:
        stdout = os.dup(1)
    except OSError:  # a process without a stdout
        stdout = None
    try:
        if stdout is not None:
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if stdout is not None:
            os.dup2(stdout, 1)
            os.close(stdout)


@contextmanager
def _daemon_threads() -> Iterator[None]:
    start = threading.Thread.start

    def start_daemon(thread: threading.Thread, *args: Any) -> None:
        thread.daemon = True
        start(thread, *args)

    with _replaced(threading.Thread, "start", start_daemon):
        yield


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def _same_folder(warnings: list[str]) -> Iterator[None]:
    folder = _working_folder()
    try:
        yield
    finally:
        if folder is not None and _working_folder() != folder:
            with suppress(OSError):
                os.chdir(folder)
                warnings.append("changes the working folder when it is imported; it was changed back")


def _working_folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # pathlib is not worth its time here
    except OSError:  # it was deleted
        return None
