"""No module of the package imports itself by way of others, not even where only types are needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import cellcls

PACKAGE = Path(cellcls.__file__).parent


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, modules: set[str]) -> Iterator[str]:
    """Yield the modules of the package that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module in modules:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in named)


def test_no_circle_of_imports() -> None:
    files = {name_of(file): file for file in PACKAGE.rglob("*.py") if "template" not in file.parts}
    assert len(files) > 100
    imports = {name: set(imported(file, set(files))) - {name} for name, file in files.items()}
    assert imports["cellcls.engine.depth"] >= {"cellcls.engine.heat"}
    TopologicalSorter(imports).prepare()  # raises CycleError, which names the circle


WITHOUT_UNIX = """
import sys, torch, torchvision, timm, kornia, captum, matplotlib.figure, filelock
for name in ("resource", "fcntl", "pwd", "grp", "termios", "pty", "tty"):
    sys.modules[name] = None
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def test_every_module_can_be_imported_without_the_modules_that_only_unix_has() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if "template" not in file.parts and file.stem != "__main__"]
    names = [name_of(file) for file in files if not {"clean_run", "check_child"} & {file.stem}]
    assert len(names) > 100
    done = subprocess.run([sys.executable, "-c", WITHOUT_UNIX, *names], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
