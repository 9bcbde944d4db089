"""Runs in processes of their own, a few at a time, each with a GPU of its own where there are several."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from cellcls.ops.processes.launching import start

_LOOK_EVERY = 0.1
_TO_SAVE = 60.0
"""Seconds that the runs are given to save their states."""
_TO_LIST = 10.0
"""Seconds that the tool of the GPUs' driver is given."""


def execute(runs: Sequence[Path], at_once: int | None) -> Iterator[tuple[Path, int]]:
    """Execute planned runs and yield each with its exit code as it ends. When the caller stops listening, the rest is
    asked to save and end."""
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
                time.sleep(_LOOK_EVERY)
    finally:
        _end([child for _, child in running.values()])


def visible_gpus() -> list[str]:
    """Return the GPUs a process may be given, as CUDA_VISIBLE_DEVICES names them, without importing torch."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=True, timeout=_TO_LIST)
    except (OSError, subprocess.SubprocessError):  # a driver that does not answer has no GPU to give
        return []
    gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]  # below one stand its MIG parts
    return [str(number) for number in range(len(gpus))]


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Let the children save and end; kill those that take too long, or that a second Ctrl-C does not wait for."""
    until = time.monotonic() + _TO_SAVE
    try:
        for child in children:
            child.terminate()
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, until - time.monotonic()))
    finally:
        for child in children:
            child.kill()  # does nothing to one that has ended
        for child in children:
            child.wait()
