"""The process's streams: closed ones, code pages without a letter, pipes that close and disks that are full."""

from __future__ import annotations

import errno
import io
import os
import sys

_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF})


def prepare() -> None:
    """Open what is closed, so that no file takes its place, and write a letter that the stream's encoding lacks as an
    escape."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write what stdout still holds. Raises ``OSError`` where it takes no more."""
    sys.stdout.flush()


def is_full(error: OSError) -> bool:
    """Tell whether an error means that stdout takes no more: a file of ours that cannot be written is a
    ``WriteError``, and one that cannot be read has a name."""
    return error.filename is None and error.errno in _CANNOT_WRITE


def abandon_stdout() -> None:
    """Send what is still written to stdout nowhere, so that the end of the process does not fail on it."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream that is no file
        sys.stdout = _nowhere()


def _nowhere() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"), encoding="utf-8")
