"""Makes stdout and stderr robust: closed streams, limited encodings, closed pipes, full disks."""

from __future__ import annotations

import errno
import io
import os
import sys

_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT, errno.EBADF})


def prepare() -> None:
    """Open closed streams, so that no file takes their descriptors, and escape characters that a stream's encoding
    lacks."""
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
    """Write buffered output to stdout. Raises ``OSError`` if that fails."""
    sys.stdout.flush()


def is_full(error: OSError) -> bool:
    """Return whether an error means that stdout cannot be written: our own files raise ``WriteError`` instead, and
    files that cannot be read have a name."""
    return error.filename is None and error.errno in _CANNOT_WRITE


def abandon_stdout() -> None:
    """Redirect stdout to the null device, so that the process does not fail on it when it ends."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # a stream that is not a file
        sys.stdout = _nowhere()


def _nowhere() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(os.open(os.devnull, os.O_WRONLY), "w"), encoding="utf-8")
