"""Starts a planned run in a separate process; shared by all launchers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cellcls.ops.processes.torchrun import without


def log(run: Path) -> Path:
    """Return the log file of a run's process: next to its folder, as a run that fails early leaves no folder."""
    return run.with_name(f"{run.name}.log")


def command(run: Path) -> list[str]:
    """Return the command that starts or resumes the planned run in ``run`` with this Python interpreter."""
    return [sys.executable, "-m", "cellcls", "run", "--resume", str(run.resolve()), "--json"]


def start(run: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a planned run in a new session, with output to its log file; ``environment`` extends ours.

    It is never part of a torchrun job, even if this process is. On SIGTERM, it saves its state and exits with 143.
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
    """Convert the return code of ``Popen`` to that of a shell: 128 + n instead of -n if signal n killed the process."""
    return 128 - returncode if returncode < 0 else returncode


def log_tail(run: Path, lines: int = 5) -> str:
    """Return the last lines of a run's log, which usually show why it failed."""
    path = log(run)
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "\n".join(text.rstrip().splitlines()[-lines:])
