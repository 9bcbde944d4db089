"""What holds for every package under ``plugins/``: what it imports, and that it passes what all components must."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = sorted(path.parent for path in (Path(__file__).parents[2] / "plugins").glob("*/pyproject.toml"))
COUNT = 8
"""Packages under plugins/: the one place that says how many are tested."""
ALLOWED = {"api", "ops", "errors", "testing"}


def test_all_of_them_are_found() -> None:
    assert len(PLUGINS) == COUNT


def imported(file: Path) -> Iterator[str]:
    """Yield each module of cellcls that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield from (f"{node.module}.{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda one: one.name)
def test_it_imports_only_what_plugins_may(plugin: Path) -> None:
    files = sorted((plugin / "src").rglob("*.py"))
    assert files
    names = [(file, name.split(".")) for file in files for name in imported(file)]
    ours = [(file, parts) for file, parts in names if parts[0] == "cellcls"]
    assert ours, "it uses nothing of cellcls"
    wrong = [f"{file.name}: {'.'.join(parts)}" for file, parts in ours if parts[1:2] == [] or parts[1] not in ALLOWED]
    assert wrong == []


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda one: one.name)
def test_it_passes_the_checks_of_all_components(plugin: Path) -> None:
    """A test class derived from ``ComponentTests``, or ``ModelTests`` where it brings a model, names its module."""
    module = plugin.name.replace("-", "_")
    found = [
        statement.value.value
        for file in sorted((plugin / "tests").glob("test_*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base) in ("ComponentTests", "ModelTests") for base in node.bases)
        for statement in node.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "plugin"
        if isinstance(statement.value, ast.Constant)
    ]
    assert found == [module]
