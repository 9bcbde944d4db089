"""Every package that is imported is declared."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
DISTRIBUTIONS = packages_distributions()
NOT_OURS = {
    ("pytest", "cellcls/testing/base.py"),  # imported by tests of plugins only
    ("pytest", "cellcls/testing/models.py"),
    ("model", "cellcls/engine/export/clean_run.py"),  # the file of an exported submission
}


def imported(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the top-level names of third-party modules that the modules in ``folder`` import, at their top or later."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names):
                yield name, path


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_every_import_is_declared(project: Path) -> None:
    about = tomli.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = about.get("optional-dependencies", {})
    of_users = [text for name in ("export", "serve", "table") for text in extras.get(name, ())]
    requirements = [about["name"], *about["dependencies"], *of_users]
    declared = {canonicalize_name(Requirement(text).name) for text in requirements}
    source = project / "src" if (project / "src").is_dir() else project / "cellcls"
    own = {path.stem for path in (project / "src").glob("*")}
    missing = {
        f"{name} in {path.relative_to(project)}"
        for name, path in imported(source)
        if name not in own
        and (name, path.relative_to(project).as_posix()) not in NOT_OURS
        and not declared & {canonicalize_name(found) for found in DISTRIBUTIONS.get(name, [name])}
    }
    assert not missing
