"""The process group of torchrun: rank and size, and an environment for child processes outside it."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OWN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_STARTS = ("GROUP_", "ROLE_", "TORCHELASTIC_")
"""Variables set by torchrun (https://docs.pytorch.org/docs/stable/elastic/run.html, "Environment Variables")."""


def rank() -> int:
    """Return the rank of this process, 0 if it is the only one."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """Return the number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Return whether this is the process that writes files and prints."""
    return rank() == 0


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without torchrun's variables, for a child process outside its group."""
    return {name: value for name, value in environment.items() if name not in _OWN and not name.startswith(_STARTS)}
