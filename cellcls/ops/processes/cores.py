"""The cores of this machine, and which of them are free."""

from __future__ import annotations

import os

MOST_THREADS = 4096
"""Threads that may be asked for: more than any machine has cores."""


def cores() -> int:
    """Return the number of cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_cores() -> int:
    """Return how many of them are not busy, at least one: less the mean number of busy processes of the last minute.

    Where the system does not tell this (Windows), all count as free.
    """
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):
        return cores()
    return min(cores(), max(1, round((os.cpu_count() or 1) - busy)))
