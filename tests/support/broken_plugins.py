"""Broken plugins for tests, each an installed distribution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

HEAD = '''
from cellcls.api import Head, component, hookimpl

@component("{name}")
class Pool(Head):
    """Pools the map."""

    def build(self, *, channels, size, num_classes):
        import torch
        return torch.nn.LazyLinear(num_classes)
'''
CLOCK = "import time; clock = time.perf_counter; time.perf_counter = lambda: clock() + 7"
"""Takes seven seconds to import, by the clock."""
HOOK = "\n@hookimpl\ndef cellcls_components():\n    return {answer}\n"


@attrs.frozen
class Sort:
    """A sort of broken plugin: its module, whether it fails, and what `list-plugins --check` says."""

    text: str
    fails: bool
    said: str
    requires: str = "cellcls>=0.1"


def works(name: str, before: str = "", after: str = "") -> str:
    return before + HEAD.format(name=name) + after + HOOK.format(answer="[Pool]")


SORTS = {
    "import_error": Sort("from cellcls.api import Nothing", True, "import failed: ImportError: cannot import name"),
    "syntax_error": Sort("def broken(:", True, "import failed: SyntaxError"),
    "sys_exit": Sort("import sys; sys.exit(3)", True, "import failed: SystemExit: 3"),
    "crash": Sort("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", True, "crashed the process (SIGSEGV)"),
    "hook_raises": Sort(HEAD.format(name="a") + HOOK.format(answer="1 / 0"), True, "failed: ZeroDivisionError"),
    "wrong_type": Sort(HEAD.format(name="a") + HOOK.format(answer="{'a': Pool}"), True, "returned dict, not a list"),
    "taken_name": Sort(works("linear"), True, "the head name `linear` is already taken by cellcls"),
    "misspelt_hook": Sort(
        HEAD.format(name="a") + HOOK.format(answer="[Pool]").replace("components", "component"), True, "unknown hook"
    ),
    "missing_package": Sort("import nowhere_to_be_found", True, "No module named 'nowhere_to_be_found'"),
    "slow_import": Sort(works("slow", CLOCK), False, "s to import, for every command"),
    "old_version": Sort(works("old"), True, "it was made for cellcls<0.1, but this is cellcls", "cellcls<0.1"),
    "stdout": Sort(works("prints", "import os; print('hello'); os.write(1, b'below')"), False, "writes to stdout"),
    "seeds": Sort(works("seeds", "import random, numpy; random.seed(0); numpy.random.seed(0)"), False, "seed of numpy"),
    "working_folder": Sort(works("litters", "open('litter.txt', 'w').close()"), False, "working folder when"),
    "threads": Sort(
        works("threads", "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"),
        False,
        "leaves a thread running",
    ),
    "huge_traceback": Sort(
        "def deep(n):\n    return deep(n - 1) if n else 1 / 0\n"
        "try:\n    deep(900)\nexcept ZeroDivisionError as error:\n"
        "    raise RuntimeError('x' * 100_000) from error",
        True,
        "import failed: RuntimeError: xxx",
    ),
}
FURTHER = {
    "daemon_thread": Sort(
        works("daemon", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"),
        False,
        "leaves a thread running",
    ),
    "heavy_import": Sort(
        works("heavy", "import torch"), False, "imports torch at module level, which costs every command"
    ),
    "seeds_torch": Sort(works("seeds_torch", "import torch; torch.manual_seed(0)"), False, "global seed of torch when"),
    "exits_hard": Sort("import os; os._exit(0)", True, "ended the process (exit status 0)"),
    "moves": Sort(works("moves", "import os; os.chdir('/')"), False, "changes the working folder"),
    "forks": Sort(works("forks", "import os; os.fork()"), False, "forks a process"),
}


def put(site: Path, name: str, sort: Sort, version: str = "1.0") -> None:
    """Install a distribution ``cellcls-NAME`` into ``site`` as pip does."""
    (site / f"cellcls_{name}").mkdir(parents=True, exist_ok=True)
    (site / f"cellcls_{name}" / "__init__.py").write_text(sort.text)
    info = site / f"cellcls_{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: cellcls-{name}\nVersion: {version}\nRequires-Dist: {sort.requires}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[cellcls]\n{name} = cellcls_{name}\n")


def works_with(text: str) -> Sort:
    """Return a plugin that works, with ``text`` at its top."""
    return Sort(works("pool", text), False, "")


def cellcls(site: Path, *args: str, cwd: Path, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own that finds the plugins in ``site``."""
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "CELLCLS_CACHE": str(cache), **more}
    command = [sys.executable, "-m", "cellcls", *args]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def listed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the answer of ``list-plugins --json`` by plugin."""
    assert done.returncode in (0, 1), done.stderr
    return {plugin["plugin"]: plugin for plugin in json.loads(done.stdout)}
