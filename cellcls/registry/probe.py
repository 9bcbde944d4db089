"""Each version of a plugin is tried once in a child process, so that one that crashes, exits or hangs takes only that
child with it. What was seen is kept in the cache folder, but for what may have been the machine's fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import attrs

from cellcls.errors import WriteError
from cellcls.ops.storage.files import cache_folder, write_json
from cellcls.registry.fingerprint import fingerprint, surroundings

FORMAT = 1
SECONDS = 20.0
"""A plugin that is not imported by then has failed."""
AT_ONCE = 2
_CHILD = (
    "import json, sys; told = json.loads(sys.argv[1]); sys.path[:] = told['path']; "
    "from cellcls.registry.probed import probed; probed(told)"
)


@attrs.frozen(kw_only=True)
class Probe:
    """What a plugin did when it was imported and asked."""

    failure: str | None = None
    """Why it cannot be used; None: it can."""
    warnings: tuple[str, ...] = ()
    """What it does that it should not, though it works."""
    lasts: bool = True
    """Whether it would be the same another time. A busy machine is slow and kills for memory: that is tried again."""


def probe(points: Sequence[metadata.EntryPoint], *, seconds: float = SECONDS) -> list[Probe]:
    """Return what is known of each plugin: from the cache, else from a child process of its own, two at a time."""
    folder = cache_folder() / "plugins"
    places = [folder / f"{point.name}-{fingerprint(point)}.json" for point in points]
    found = [_kept(place) for place in places]
    unknown = [number for number, one in enumerate(found) if one is None]
    if unknown:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            made = list(pool.map(lambda number: _tried(points[number], seconds), unknown))
        for number, one in zip(unknown, made, strict=True):
            found[number] = one
            if one.lasts:
                _keep(places[number], one)
    return [one for one in found if one is not None]


def _kept(place: Path) -> Probe | None:
    """Return what was kept, or None where nothing was, it is damaged, or a failure's surroundings have changed."""
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        if data["format"] != FORMAT or (data["failure"] is not None and data["surroundings"] != surroundings()):
            return None
        failure, warnings = data["failure"], data["warnings"]
        if not (failure is None or isinstance(failure, str)) or not all(isinstance(one, str) for one in warnings):
            return None
        return Probe(failure=failure, warnings=tuple(warnings))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(place: Path, made: Probe) -> None:
    known = {"failure": made.failure, "warnings": made.warnings}
    told = {"format": FORMAT, "surroundings": surroundings() if made.failure else [], **known}
    with suppress(WriteError):  # a cache that cannot be written makes the next command slower, nothing else
        write_json(place, told)


def _tried(point: metadata.EntryPoint, seconds: float) -> Probe:
    """Import and ask a plugin in a child process, in an empty folder, without input."""
    with tempfile.TemporaryDirectory(prefix="cellcls-probe-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        told = {
            "path": [os.path.abspath(path) for path in sys.path],  # noqa: PTH100  # an entry may be empty: the folder
            "name": point.name,
            "value": point.value,
            "requires": (point.dist.requires or []) if point.dist else [],
            "answer": str(folder / "answer.json"),
            "stdout": str(folder / "stdout"),
        }
        code = _run([sys.executable, "-X", "importtime", "-c", _CHILD, json.dumps(told)], folder, seconds)
        try:
            answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Probe(failure=_ended(code, seconds), lasts=code is not None and code >= 0)
        return Probe(failure=answer["failure"], warnings=(*answer["warnings"], *_heavy(folder / "stderr")))


def _run(command: list[str], folder: Path, seconds: float) -> int | None:
    """Run a command to its end and return its exit status, None where it took longer. Whatever it started ends too."""
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as problems:
        child = subprocess.Popen(
            command,
            cwd=folder / "work",
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=problems,
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


def _ended(code: int | None, seconds: float) -> str:
    if code is None:
        return f"import did not end within {seconds:g} seconds"
    if code < 0:
        try:
            return f"import crashed the process ({signal.Signals(-code).name})"
        except ValueError:
            return f"import crashed the process (signal {-code})"
    return f"import ended the process (exit status {code})"


def _heavy(importtime: Path) -> list[str]:
    """Return a warning for each heavy library that came in with the plugin, with the milliseconds it took."""
    from cellcls.registry.heavy import HEAVY

    took: dict[str, int] = {}
    for line in importtime.read_text(encoding="utf-8", errors="replace").splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdecimal() and parts[2].strip() in HEAVY:
            took[parts[2].strip()] = int(parts[1])
    return [
        f"imports {name} at its top, which costs every command {microseconds / 1000:,.0f} ms: import it in `build`"
        for name, microseconds in took.items()
    ]
