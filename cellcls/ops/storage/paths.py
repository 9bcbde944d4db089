"""Paths as people give them: with ``~``, in variables of the environment, in the manner of another system."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with ``~`` or ``~user`` at its start as that home folder; where there is none, as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


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
