"""Executes runs in separate processes, several at a time, each on its own GPU if there are several."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cellcls.ops.processes.launching import start

_POLL_INTERVAL = 0.1
_SAVE_TIMEOUT = 60.0
"""Seconds that runs have to save their states."""
_LIST_TIMEOUT = 10.0
"""Seconds that nvidia-smi has to list the GPUs."""


def execute(runs: Sequence[Path], at_once: int | None) -> Iterator[tuple[Path, int]]:
    """Execute planned runs and yield each with its return code as it finishes. When the generator is closed, remaining
    runs are asked to save their state and exit."""
    gpus = visible_gpus()
    slots = list(range(at_once or max(1, len(gpus))))
    todo = list(runs)
    running: dict[int, tuple[Path, subprocess.Popen[bytes]]] = {}
    try:
        while todo or running:
            for slot in slots:
                if slot not in running and todo:
                    run = todo.pop(0)
                    own = {"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if len(gpus) > 1 else {}
                    running[slot] = (run, start(run, own))
            ended = [slot for slot, (_, child) in running.items() if child.poll() is not None]
            for slot in ended:
                run, child = running.pop(slot)
                yield run, child.returncode
            if not ended:
                time.sleep(_POLL_INTERVAL)
    finally:
        _end([child for _, child in running.values()])


def visible_gpus() -> list[str]:
    """Return the available GPUs as values for CUDA_VISIBLE_DEVICES, without importing torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run(
            [tool, "--list-gpus"], capture_output=True, text=True, check=True, timeout=_LIST_TIMEOUT
        )
    except (OSError, subprocess.SubprocessError):  # without an answer of the driver there is no usable GPU
        return []
    gpus = [
        line for line in listed.stdout.splitlines() if line.startswith("GPU ")
    ]  # lines below a GPU are its MIG instances
    return [str(number) for number in range(len(gpus))]


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask the children to save and exit; kill those that take too long, or all on a second Ctrl-C."""
    until = time.monotonic() + _SAVE_TIMEOUT
    try:
        for child in children:
            child.terminate()
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, until - time.monotonic()))
    finally:
        for child in children:
            child.kill()  # no effect on a finished process
        for child in children:
            child.wait()
