"""The child's side of a probe: import and ask one plugin, and write down what it did."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from cellcls.api.hooks import PROJECT
from cellcls.registry.hook import Refused, brief, offered_by

SLOW = 0.3
"""Seconds that importing may take; ``cellcls list-plugins`` as a whole is to take 0.4."""
_GRACE = 1.0
"""Seconds that a thread has to end by itself."""


def probed(told: Mapping[str, Any]) -> NoReturn:
    """Try the plugin and write the answer; then end at once, whatever it left running."""
    import numpy as np  # before the plugin, so that its seed can be told from a seed of the plugin's

    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    torch_start = _TorchStart()
    sys.meta_path.insert(0, torch_start)
    started = time.perf_counter()
    try:
        failure = _unmet(told["requires"])
        if failure is None:
            offered_by(metadata.EntryPoint(name=told["name"], value=told["value"], group=PROJECT))
    except Refused as reason:
        failure = str(reason)
    except BaseException as error:
        failure = f"import failed: {brief(error)}"
    seconds = time.perf_counter() - started
    after = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    warnings = [*_slow(seconds), *_wrote(told["stdout"]), *_seeded(before, after), *torch_start.changed(), *_littered()]
    failure = failure or _never_ends()
    warnings += [f"leaves a thread running: {thread.name}" for thread in _threads()]
    answer = Path(told["answer"])
    answer.with_suffix(".part").write_text(json.dumps({"failure": failure, "warnings": warnings}), encoding="utf-8")
    answer.with_suffix(".part").replace(answer)
    os._exit(0)


def _unmet(requires: list[str]) -> str | None:
    """Say which version of cellcls the plugin was made for, where this is another."""
    for text in requires:
        if not re.match(rf"{PROJECT}\s*($|[^\w.\s-])", text, re.IGNORECASE):
            continue
        from packaging.requirements import Requirement

        wanted = Requirement(text)
        here = metadata.version(PROJECT)
        if (wanted.marker is None or wanted.marker.evaluate()) and not wanted.specifier.contains(here, True):
            return f"it was made for cellcls{wanted.specifier}, and this is cellcls {here}"
    return None


def _slow(seconds: float) -> Iterator[str]:
    if seconds > SLOW:
        yield f"takes {seconds:.1f} s to import, at every command"


def _wrote(stdout: str) -> Iterator[str]:
    sys.stdout.flush()
    written = Path(stdout).read_bytes()
    if written:
        line = " ".join(written[:60].decode(errors="replace").split())
        yield f"writes to stdout when it is imported: {line}"


def _seeded(before: tuple[object, object], after: tuple[object, object]) -> Iterator[str]:
    for module, one, other in zip(("random", "numpy"), before, after, strict=True):
        if one != other:
            yield f"changes the global seed of {module} when it is imported"


class _TorchStart:
    """Notes torch's global seed as soon as torch is imported, by whomever: it starts with a random one."""

    seed: int | None = None

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Find torch as it would be found without this."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def noting(module: Any) -> None:
                execute(module)
                self.seed = module.initial_seed()

            vars(spec.loader)["exec_module"] = noting
        return spec

    def changed(self) -> Iterator[str]:
        if self.seed not in (None, sys.modules["torch"].initial_seed() if "torch" in sys.modules else None):
            yield "changes the global seed of torch when it is imported"


def _littered() -> Iterator[str]:
    files = sorted(path.name for path in Path().iterdir())
    if files:
        yield f"writes into the working folder when it is imported: {', '.join(files[:5])}"


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread is not threading.main_thread()]


def _never_ends() -> str | None:
    """A thread that is no daemon would keep every command from ending."""
    until = time.monotonic() + _GRACE
    for thread in _threads():
        if not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                return f"leaves the thread {thread.name} running, which keeps every command from ending"
    return None
