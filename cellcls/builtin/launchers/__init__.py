"""Launchers: execute several runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cellcls.api import Launcher, component, param


@component("local")
class Local(Launcher):
    """Separate processes on this machine: one at a time, or one per GPU if there are several."""

    at_once: int | None = param(
        default=None, ge=1, help="Number of concurrent processes; default: the number of GPUs, at least 1."
    )

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        """Return the function that executes planned runs."""
        from cellcls.builtin.launchers.processes import execute

        return lambda runs: execute(runs, self.at_once)
