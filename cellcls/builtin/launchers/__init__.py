"""Launchers: where the runs of a call are executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cellcls.api import Launcher, component, param


@component("local")
class Local(Launcher):
    """Runs in processes of their own on this machine: one after another, or one a GPU where there are several."""

    at_once: int | None = param(
        default=None, ge=1, help="Processes at a time; default: the number of GPUs, 1 where there is none."
    )

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        """Return the function that executes planned runs."""
        from cellcls.builtin.launchers.processes import execute

        return lambda runs: execute(runs, self.at_once)
