"""The runs of a command and what its recipes expect of them: ``runs.json`` in the folder of the runs.

::

    {"files": [{"name": "optimizers", "runs": [{"folder": "optimizers-lion", "recipe": "optimizers-lion",
                "variant": "lion"}, ..], "expect": [{"metric": "val.accuracy", "order": ["lion", ..], ..}]}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from cellcls.errors import DataError
from cellcls.recipe import Expect, Loaded
from cellcls.runs.folder import RunFolder
from cellcls.runs.records import read, write


@attrs.frozen(kw_only=True)
class PlannedRun:
    """A run: its folder relative to the plan's, the name of its recipe, and its variant."""

    folder: str
    recipe: str
    variant: str | None = None


@attrs.frozen(kw_only=True)
class PlannedFile:
    """The runs of a recipe file (``name``: without ``.toml``), and what the file expects of them."""

    name: str
    runs: tuple[PlannedRun, ...]
    expect: tuple[Expect, ...] = ()


@attrs.frozen(kw_only=True)
class Plan:
    """All runs of a command."""

    files: tuple[PlannedFile, ...] = ()
    by: str | None = None
    """The metric that the runs are sorted by, if it is not the default."""

    def label(self, folder: str) -> str | None:
        """Return a short name for a run: its variant, if all runs are variants of one file."""
        if len(self.files) != 1:
            return None
        planned = next((run for run in self.files[0].runs if run.folder == folder), None)
        return planned.variant if planned else None


def plan(loaded: Sequence[Loaded], folders: Sequence[str]) -> Plan:
    """Return the plan of runs in ``folders``."""
    files = []
    for path in dict.fromkeys(run.file for run in loaded):
        planned = [(run, folder) for run, folder in zip(loaded, folders, strict=True) if run.file == path]
        runs = tuple(PlannedRun(folder=folder, recipe=run.recipe.name, variant=run.variant) for run, folder in planned)
        files.append(PlannedFile(name=path.stem, runs=runs, expect=planned[0][0].expect))
    return Plan(files=tuple(files))


def write_plan(folder: Path, planned: Plan) -> None:
    """Write the plan into the folder of its runs."""
    write(RunFolder(folder).plan, planned)


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder; an empty plan if there is none. Raises ``DataError``."""
    path = RunFolder(folder).plan
    if not path.is_file():
        return Plan()
    planned = read(path, Plan)
    problem = next(
        (expectation.problem() for file in planned.files for expectation in file.expect if expectation.problem()), None
    )
    if problem:
        raise _damaged(path, problem)
    return planned


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: {problem}", "remove the file; its expectations are then not checked")
