"""Paths as people give them: with ``~``, in variables of the environment, in the manner of another system."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

FILE_NAME = "letters, digits, - _ . only, the first no - or ., and no name that Windows keeps (con, nul)"
"""What is allowed in a name that becomes the name of a file or folder: none that is hidden, an option or a device."""
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(1, 10))}
"""Names that Windows keeps for itself, whatever follows behind a dot."""


def is_file_name(name: str) -> bool:
    """Return whether ``name`` can be the name of a file or folder on any system."""
    device = name.partition(".")[0].upper() in _DEVICES
    return re.fullmatch(r"\w([\w.-]*[\w-])?", name) is not None and not device and len(name.encode()) <= 100


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` or ``~user`` at its start as that home folder; where there is none, as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def is_device(path: Path) -> bool:
    """Tell whether a path is a device, a pipe or a socket, which may have no end, or wait for ever."""
    return path.exists() and not path.is_file() and not path.is_dir()


def folder_in(variable: str) -> Path | None:
    """Return the folder that a variable of the environment names, None where it is not set or empty."""
    named = os.environ.get(variable)
    return expanded(named) if named else None


def is_absolute(path: Path) -> bool:
    r"""Tell whether a path is absolute here or on Windows (``C:\data``), where it may have been written."""
    return path.is_absolute() or PureWindowsPath(str(path)).is_absolute()


def last_name(path: Path) -> str:
    """Return the name of a file or folder without the folders before it, of an absolute path of Windows too."""
    return PureWindowsPath(str(path)).name if is_absolute(path) and not path.is_absolute() else path.name
