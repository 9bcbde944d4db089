"""Tasks of a Ray cluster, each of which executes one planned run."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ray

from cellcls.errors import ExitCode, PluginError
from cellcls.ops.processes.launching import start

_LOOK_EVERY = 0.5


def execute(
    runs: Sequence[Path], address: str | None, *, cpus: float, gpus: float, workers: int | None
) -> Iterator[tuple[Path, int]]:
    """Execute planned runs on a cluster; yield each with its exit code as it ends.

    When the caller stops listening, the tasks are cancelled, which asks their runs to save and end. Raises
    ``PluginError`` where the cluster cannot be reached.
    """
    _connect(address, workers)
    waiting: dict[Any, Path] = {}
    try:
        start = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_run)
        waiting = {start.remote(str(run.resolve())): run for run in runs}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
            for task in done:
                run = waiting.pop(task)
                yield run, _code(task)
            if not done:
                time.sleep(_LOOK_EVERY)  # here, as Ray swallows the exception of a signal's handler
    finally:
        for task in waiting:
            ray.cancel(task)
        for task in waiting:
            _code(task)
        ray.shutdown()


def _connect(address: str | None, workers: int | None) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # leave CUDA_VISIBLE_DEVICES where no GPU is asked
    _refuse_silence(address)
    own: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise PluginError(
            f"no Ray cluster at {address or 'this machine'}: {error}", "start one: ray start --head"
        ) from error


def _refuse_silence(address: str | None) -> None:
    """Ray waits minutes for a cluster that is not there; a port that nobody answers is told at once."""
    host, _, port = (address or "").rpartition(":")
    if host and "/" not in host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except (OSError, OverflowError) as error:
            raise PluginError(f"no Ray cluster at {address}: {error}", "start one: ray start --head") from error


def _run(path: str) -> int:
    """Execute one run on whatever node this is; a cancelled task (KeyboardInterrupt) lets the run save its state."""
    child = start(Path(path))
    try:
        return _waited(child)
    except KeyboardInterrupt:
        child.terminate()
        return _waited(child)


def _waited(child: subprocess.Popen[bytes]) -> int:
    """Return a child's exit code, by looking again and again: Ray's cancelling interrupts no longer wait."""
    while child.poll() is None:
        time.sleep(_LOOK_EVERY)
    return child.returncode


def _code(task: Any) -> int:
    try:
        return int(ray.get(task))
    except Exception:  # a node was lost, or the task was cancelled before it began
        return ExitCode.BUG
