"""Starting a planned run in a process of its own: what every launcher does, here or on another machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cellcls.ops.processes.torchrun import without


def log(run: Path) -> Path:
    """Return where a run's process prints: beside its folder, which is gone where the run failed at its start."""
    return run.with_name(f"{run.name}.log")


def command(run: Path) -> list[str]:
    """Return the command that starts or goes on with the planned run in ``run``, with this Python."""
    return [sys.executable, "-m", "cellcls", "run", "--resume", str(run.resolve()), "--json"]


def start(run: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a planned run in a session of its own, its output in a file beside it; ``environment`` is added to ours.

    It is no process of torchrun's even where we are. SIGTERM makes it save its state and end with 143.
    """
    with log(run).open("ab") as output:
        return subprocess.Popen(
            command(run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=without(os.environ) | dict(environment or {}),
            start_new_session=True,
        )


def exit_code(returncode: int) -> int:
    """Return a process's exit code as a shell tells it: 128 + n where the signal n ended it (``Popen``: -n)."""
    return 128 - returncode if returncode < 0 else returncode


def last_words(run: Path, lines: int = 5) -> str:
    """Return the end of what a run's process printed, for a person who wants to know why it failed."""
    path = log(run)
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
