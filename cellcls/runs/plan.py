"""The runs of one call and what its recipes expect of them: ``runs.json`` in the folder they lie in.

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
    """A run: its folder below the plan's (``.``: the same), the name of its recipe and the variant it is."""

    folder: str
    recipe: str
    variant: str | None = None


@attrs.frozen(kw_only=True)
class PlannedFile:
    """The runs of one recipe file, by the file's name without ``.toml``, and what it expects of them."""

    name: str
    runs: tuple[PlannedRun, ...]
    expect: tuple[Expect, ...] = ()


@attrs.frozen(kw_only=True)
class Plan:
    """All runs of a call."""

    files: tuple[PlannedFile, ...] = ()
    by: str | None = None
    """The figure that the runs are compared by, where it is not the usual one."""

    def label(self, folder: str) -> str | None:
        """Return what a run is called among the others: its variant, where all are variants of one file."""
        if len(self.files) != 1:
            return None
        one = next((run for run in self.files[0].runs if run.folder == folder), None)
        return one.variant if one else None


def plan(loaded: Sequence[Loaded], folders: Sequence[str]) -> Plan:
    """Return the plan of runs that are made in ``folders``."""
    files = []
    for path in dict.fromkeys(one.file for one in loaded):
        made = [(one, folder) for one, folder in zip(loaded, folders, strict=True) if one.file == path]
        runs = tuple(PlannedRun(folder=folder, recipe=one.recipe.name, variant=one.variant) for one, folder in made)
        files.append(PlannedFile(name=path.stem, runs=runs, expect=made[0][0].expect))
    return Plan(files=tuple(files))


def write_plan(folder: Path, planned: Plan) -> None:
    """Write the plan into the folder that its runs lie in."""
    write(RunFolder(folder).plan, planned)


def read_plan(folder: Path) -> Plan:
    """Read the plan of a folder; one without runs where there is none. Raises ``DataError``."""
    path = RunFolder(folder).plan
    if not path.is_file():
        return Plan()
    made = read(path, Plan)
    problem = next((one.problem() for file in made.files for one in file.expect if one.problem()), None)
    if problem:
        raise _damaged(path, problem)
    return made


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: {problem}", "remove the file: its expectations go too")
