"""Runs on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cellcls.api import Component, Launcher, component, hookimpl, param


@component("ray")
class Ray(Launcher):
    """Runs as tasks of a Ray cluster whose nodes all see the same files."""

    address: str | None = param(
        default=None, help="Address of a cluster, or `auto`; default: one on this machine, for the time of the call."
    )
    cpus: float = param(default=1.0, gt=0, help="Processors a run needs.")
    gpus: float = param(default=0.0, ge=0, help="GPUs a run needs.")
    workers: int | None = param(default=None, ge=1, help="Processors of a cluster on this machine; default: all.")

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        """Return the function that executes planned runs. Raises ``PluginError`` where there is no such cluster."""
        from cellcls_ray.cluster import execute

        return lambda runs: execute(runs, self.address, cpus=self.cpus, gpus=self.gpus, workers=self.workers)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the launcher."""
    return [Ray]
