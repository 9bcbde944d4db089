"""Marker files: which plugin was being imported when a process ended, so that the next start skips it.

A marker is written before a plugin is imported and removed afterwards, on Ctrl-C and on SIGTERM too. One that is left
belongs to an import that ended its process: a crash, ``os._exit``, a hang that was killed. It names the plugin, its
version, the process and its start time, and counts only on the same host, once that process is gone, and as long as
the plugin's files have not changed since.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from cellcls.ops.storage.files import cache_folder

_PREFIX = "importing-"
Named = Callable[[metadata.EntryPoint, str], None]
"""Called with a plugin and its version before the plugin is imported."""


@contextmanager
def marked() -> Iterator[Named]:
    """Yield a function that names the plugin about to be imported in this process's marker, removed at the end.

    Without a marker (Windows, a cache folder that cannot be written) the function does nothing.
    """
    process = _start_time(os.getpid())
    if process is None:
        yield lambda _point, _version: None
        return
    about = {"pid": os.getpid(), "started": process, "host": _host()}
    path = _folder() / f"{_PREFIX}{os.getpid()}-{process}.json"
    file: FileIO | None = None

    def name(point: metadata.EntryPoint, version: str) -> None:
        nonlocal file
        marker = {**about, "plugin": point.name, "origin": point.value, "version": version}
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = file or path.open("xb", buffering=0)
            file.seek(0)
            file.write(json.dumps(marker).encode())
            file.truncate()

    try:
        with _removed_when_terminated(path):
            yield name
    finally:
        if file is not None:
            file.close()
            _remove(path)


def ended_the_process(point: metadata.EntryPoint, version: str) -> bool:
    """Return whether importing this plugin ended a process. Markers from before a change of the plugin are removed."""
    for marker in _markers(point):
        if marker.version == version and not _changed_since(marker.written, point):
            return True
        _remove(marker.path)
    return False


def forgive(point: metadata.EntryPoint) -> None:
    """Remove the markers of a plugin, so that it is imported again."""
    for marker in _markers(point):
        _remove(marker.path)


class _Marker(NamedTuple):
    path: Path
    written: float
    version: str


def _markers(point: metadata.EntryPoint) -> Iterator[_Marker]:
    """Yield the markers of a plugin left by processes of this host."""
    for path in _folder().glob(f"{_PREFIX}*.json"):
        try:
            marker = json.loads(path.read_text(encoding="utf-8"))
            same = (marker["plugin"], marker["origin"], marker["host"]) == (point.name, point.value, _host())
            if same and _start_time(int(marker["pid"])) != marker["started"]:
                yield _Marker(path, path.stat().st_mtime, marker["version"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
            continue


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _host() -> str:
    return os.uname().nodename


def _folder() -> Path:
    return cache_folder() / "plugins"


@contextmanager
def _removed_when_terminated(path: Path) -> Iterator[None]:
    """Remove a file when SIGTERM or SIGHUP ends the process, unless they are handled otherwise."""
    caught = []
    if threading.current_thread() is threading.main_thread():
        caught = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    pid = os.getpid()

    def end(number: int, _frame: object) -> None:
        if os.getpid() == pid:  # not in a process that the plugin forked
            _remove(path)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            if signal.getsignal(number) is end:
                signal.signal(number, signal.SIG_DFL)


def _start_time(pid: int) -> str | None:
    """Return when a process started, in clock ticks since boot (``""`` if unknown); None if it does not exist."""
    if os.name == "nt":  # there, signal 0 ends a process
        return None
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return ""
        return ""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in (b"Z", b"X") else fields[18].decode()


def _changed_since(moment: float, point: metadata.EntryPoint) -> bool:
    """Return whether a file of the plugin changed after ``moment``, without importing it.

    The time of a file's status counts, as installers may keep older times of its content.
    """
    try:
        spec = find_spec(point.module.partition(".")[0])
    except (ImportError, ValueError, AttributeError):
        return False
    if spec is None:
        return False
    folders = spec.submodule_search_locations or []
    files = [path for folder in folders for path in Path(folder).rglob("*") if "__pycache__" not in path.parts]
    if not folders and spec.origin:
        files = [Path(spec.origin)]
    try:
        return any(path.stat().st_ctime > moment for path in files if path.is_file())
    except OSError:  # a file that disappeared meanwhile is a change, too
        return True
