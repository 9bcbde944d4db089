"""Checks a plugin in a separate process, so that its side effects are detected and a crash does no harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import attrs

from cellcls.registry.check_child import CheckTask
from cellcls.registry.heavy import HEAVY

SECONDS = 20.0
"""Time limit for importing a plugin, in seconds."""
_CHILD = (
    "import json, sys; task = json.loads(sys.argv[1]); sys.path[:] = task['path']; "
    "from cellcls.registry.check_child import CheckTask, main; main(CheckTask(**task))"
)


@attrs.frozen(kw_only=True)
class CheckResult:
    """The result of importing a plugin and calling its hook."""

    failure: str | None
    """Why it cannot be used; None if it can."""
    warnings: tuple[str, ...] = ()
    """Side effects of a plugin that works."""


def check_plugin(point: metadata.EntryPoint, requires: Sequence[str] = (), *, seconds: float = SECONDS) -> CheckResult:
    """Import a plugin and call its hook in a new process, in an empty folder and without input.

    ``requires``: the requirements of its distribution; ``seconds``: how long it may take.
    """
    with tempfile.TemporaryDirectory(prefix="cellcls-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        task = CheckTask(
            path=[os.path.abspath(path) for path in sys.path],  # noqa: PTH100  # an entry may be empty: the folder
            name=point.name,
            value=point.value,
            requires=[*requires],
            answer=str(folder / "answer.json"),
            stdout=str(folder / "stdout"),
        )
        status = _run(
            [sys.executable, "-X", "importtime", "-c", _CHILD, json.dumps(attrs.asdict(task))], folder, seconds
        )
        try:
            answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return CheckResult(failure=_how_it_ended(status, seconds))
        return CheckResult(failure=answer["failure"], warnings=(*answer["warnings"], *_heavy(folder / "stderr")))


def _run(command: list[str], folder: Path, seconds: float) -> int | None:
    """Run a command and return its exit status, None after a timeout. Every process that it started is ended, too."""
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        child = subprocess.Popen(
            command,
            cwd=folder / "work",
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL) if hasattr(os, "killpg") else child.kill()
            child.wait()


def _how_it_ended(status: int | None, seconds: float) -> str:
    if status is None:
        return f"import took longer than {seconds:g} seconds"
    if status >= 0:
        return f"import ended the process (exit status {status})"
    try:
        return f"import crashed the process ({signal.Signals(-status).name})"
    except ValueError:
        return f"import crashed the process (signal {-status})"


def _heavy(importtime: Path) -> list[str]:
    """Return a warning for each heavy library that was imported, with its import time."""
    took: dict[str, int] = {}
    for line in importtime.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdecimal() and parts[2].strip() in HEAVY:
            took[parts[2].strip()] = int(parts[1])
    return [
        f"imports {name} at module level, which costs every command {microseconds / 1000:,.0f} ms: import it in `build`"
        for name, microseconds in took.items()
    ]
