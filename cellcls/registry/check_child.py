"""The process in which ``list-plugins --check`` tries a plugin: it writes the result to a file and ends."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import attrs

from cellcls.api.hooks import PROJECT
from cellcls.registry.hook import Refused, brief, offered_by, refuse_unresolved
from cellcls.registry.version import refuse_other_version

_SLOW = 0.3
_GRACE = 1.0
"""Seconds to wait for a thread to end."""


@attrs.frozen(kw_only=True)
class CheckTask:
    """The plugin to try, and the files that its result and its output go to."""

    path: list[str]
    """``sys.path``"""
    name: str
    value: str
    """What its entry point names."""
    requires: list[str]
    """The requirements of its distribution."""
    answer: str
    stdout: str


def main(task: CheckTask) -> NoReturn:
    """Try the plugin, write the result to the file ``task.answer`` and end, whatever the plugin left running."""
    pid, forks = os.getpid(), []
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lambda: forks.append(1))
    seeds, started = _seeds(), time.perf_counter()
    failure = _try(task)
    seconds = time.perf_counter() - started
    if os.getpid() != pid:
        os._exit(0)
    warnings = [f"takes {seconds:.1f} s to import, for every command"] if seconds > _SLOW else []
    warnings += ["forks a process when it is imported"] if forks else []
    warnings += [*_printed(Path(task.stdout)), *_seeded(seeds), *_littered(Path(task.stdout).parent / "work")]
    warnings += [f"leaves a thread running: {name}" for name in _threads()]
    answer = Path(task.answer)
    answer.with_suffix(".tmp").write_text(json.dumps({"failure": failure, "warnings": warnings}), encoding="utf-8")
    answer.with_suffix(".tmp").replace(answer)
    os._exit(0)


def _try(task: CheckTask) -> str | None:
    """Return why the plugin cannot be used, or None."""
    try:
        refuse_other_version(task.requires)
        point = metadata.EntryPoint(name=task.name, value=task.value, group=PROJECT)
        refuse_unresolved(offered_by(point).components)
    except Refused as reason:
        return str(reason)
    except BaseException as error:
        return f"import failed: {brief(error)}"
    return None


def _printed(stdout: Path) -> Iterator[str]:
    sys.stdout.flush()
    written = stdout.read_bytes()
    if written:
        yield f"writes to stdout when it is imported: {' '.join(written[:60].decode(errors='replace').split())}"


def _seeds() -> dict[str, str]:
    import numpy as np

    return {"random": str(random.getstate()), "numpy": str(np.random.get_state())}  # noqa: NPY002


def _seeded(before: Mapping[str, str]) -> Iterator[str]:
    changed = [module for module, state in _seeds().items() if state != before[module]]
    if "torch" in sys.modules and sys.modules["torch"].initial_seed() < 2**32:  # it starts with a random one of 53 bits
        changed.append("torch")
    for module in changed:
        yield f"changes the global seed of {module} when it is imported"


def _littered(folder: Path) -> Iterator[str]:
    if Path.cwd() != folder.resolve():
        yield "changes the working folder when it is imported"
    files = sorted(path.name for path in folder.iterdir())
    if files:
        yield f"writes into the working folder when it is imported: {', '.join(files[:5])}"


def _threads() -> list[str]:
    """Return the names of threads that do not end by themselves."""
    until = time.monotonic() + _GRACE
    threads = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return [thread.name for thread in threads if thread.is_alive()]
