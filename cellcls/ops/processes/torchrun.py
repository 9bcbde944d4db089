"""The processes that torchrun makes of one command: which of them this is, and children that are none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

_OWN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
_STARTS = ("GROUP_", "ROLE_", "TORCHELASTIC_")
"""What torchrun sets (https://docs.pytorch.org/docs/stable/elastic/run.html, "Environment Variables")."""


def rank() -> int:
    """Return the number of this process, 0 where it is the only one."""
    return int(os.environ.get("RANK", "0"))


def processes() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this is the process that writes and prints."""
    return rank() == 0


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which a child is no process of torchrun's."""
    return {name: value for name, value in environment.items() if name not in _OWN and not name.startswith(_STARTS)}
