"""Executes or resumes the runs of a command: creates all folders first, then runs one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import attrs

from cellcls.errors import CellclsError, ExitCode, InterruptedRunError, MissingInputError, UsageError
from cellcls.execution import launch
from cellcls.execution.context import Context
from cellcls.execution.result import RunResult, failed
from cellcls.execution.single import make_run, plan_run, resume_line, resume_run, shared_folder, with_hints
from cellcls.execution.sweep import is_sweep, new_sweep, stopped_sweep
from cellcls.ops.processes.torchrun import is_first, processes
from cellcls.recipe import Loaded
from cellcls.runs.folder import RunFolder, free_folder, refuse_recipe
from cellcls.runs.init import find_all, find_init
from cellcls.runs.inputs import Inputs, find_inputs
from cellcls.runs.options import kept_options, write_options
from cellcls.runs.plan import plan, read_plan, write_plan

Todo = tuple[Path, Callable[[], RunResult]]
"""A run's folder, and a function that executes the run or raises what is wrong with it."""


def run_all(loaded: Sequence[Loaded], out: Path | None, context: Context) -> list[RunResult]:
    """Execute every run. If one of several fails, it is reported and the others continue."""
    searching = next((run for run in loaded if run.sweep is not None), None)
    if searching and len(loaded) > 1:
        raise UsageError(f"{searching.file}: a [sweep] makes many runs; give this recipe alone")
    _refuse_torchrun(searching is not None, context)
    if searching:
        return new_sweep(searching, out, context).execute()
    if len(loaded) == 1 and context.launcher is None:
        return [_single(loaded[0], out, context)]
    return _several(loaded, out, context)


def resume_all(path: Path, context: Context) -> list[RunResult]:
    """Resume the run in ``path``, or every unfinished run below it.

    Each run keeps the options it was started with, except for those given in ``context``.
    """
    refuse_recipe(path)
    folder = RunFolder(path)
    _refuse_torchrun(is_sweep(path), context)
    if is_sweep(path):
        return stopped_sweep(path, context).execute()
    lost = _lost(path, context)
    todo = _unfinished(_runs_in(folder), path, lost)
    if context.launcher is not None:
        launch.refuse_needing({run.path: launch.start_of(run, context.registry) for run in todo})
        for run in todo:
            write_options(run, kept_options(run, context.options))
        return [*launch.execute(context.launcher, [run.path for run in todo], path, context.output), *lost]
    if folder.is_run:
        return [resume_run(folder, context)]
    return [*_each([(run.path, partial(resume_run, run, context)) for run in todo], path, context), *lost]


def _refuse_torchrun(searches: bool, context: Context) -> None:
    """Raise ``UsageError`` for a launcher or a search in several processes of torchrun."""
    if processes() > 1 and (searches or context.launcher is not None):
        what = "a [sweep]" if searches else "--launcher"
        raise UsageError(
            f"torchrun started {processes()} processes of this command, and each would execute all runs of {what}",
            "run it without torchrun, which is for a single run",
        )


def _single(loaded: Loaded, out: Path | None, context: Context) -> RunResult:
    inputs = find_all(loaded, context.registry, context.options)
    folder = plan_run(out or free_folder(loaded.recipe.name), inputs, context.options)
    if loaded.expect and is_first():
        write_plan(folder.path, plan([loaded], ["."]))
    return make_run(inputs, folder, context)


@attrs.frozen
class _Child:
    """One of several runs of a command, before its folder is created."""

    name: str
    """Its folder below the shared one."""
    loaded: Loaded
    found: Inputs | CellclsError
    earlier: Mapping[str, str]
    """The folders of the runs before it, by folder name and by recipe name."""

    @property
    def start(self) -> str | None:
        """The folder of the run of this command that it starts from."""
        wanted = None if isinstance(self.found, CellclsError) else self.found.recipe.init.from_
        return self.earlier.get(wanted) if wanted else None

    def inputs(self, parent: Path) -> Inputs:
        """Return its inputs with the run it starts from. Raises what is wrong with them."""
        if isinstance(self.found, CellclsError):
            raise self.found
        return find_init(self.found, self.loaded.file, {name: parent / folder for name, folder in self.earlier.items()})


def _several(loaded: Sequence[Loaded], out: Path | None, context: Context) -> list[RunResult]:
    children = list(_children(loaded, context))
    problems = [child.found for child in children if isinstance(child.found, CellclsError)]
    if len(problems) == len(children):
        raise problems[0]
    if context.launcher is not None:
        launch.refuse_needing({Path(child.name): Path(child.start) if child.start else None for child in children})
    name = loaded[0].file.stem if len({run.file for run in loaded}) == 1 else "runs"
    whole = shared_folder(out or free_folder(name))
    parent = whole.path
    try:
        if is_first():
            write_plan(parent, plan(loaded, [child.name for child in children]))
        todo = [_planned(child, parent, context) for child in children]
    except CellclsError:
        whole.discard()
        raise
    if context.launcher is None:
        return _each(todo, parent, context)
    planned = [path for path, _ in todo if RunFolder(path).recipe.exists()]
    refused = _each([(path, make) for path, make in todo if path not in planned], parent, context)
    return refused + launch.execute(context.launcher, planned, parent, context.output)


def _children(loaded: Sequence[Loaded], context: Context) -> Iterator[_Child]:
    earlier: dict[str, str] = {}
    names = _child_names(loaded)
    for name, run in zip(names, loaded, strict=True):
        try:
            found: Inputs | CellclsError = find_inputs(run.recipe, run.file, context.registry, context.options)
        except CellclsError as error:
            found = error
        yield _Child(name, run, found, dict(earlier))
        earlier[name] = name
        earlier.setdefault(run.recipe.name, name)


def _child_names(loaded: Sequence[Loaded]) -> list[str]:
    names = list(map(_child_name, loaded))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two of the recipes are called `{twice}`; give each its own `name`")
    return names


def _child_name(run: Loaded) -> str:
    seed = f"-seed{run.recipe.seed}" if run.seeded else ""
    fold = "" if run.recipe.split.fold is None else f"-fold{run.recipe.split.fold}"
    return f"{run.recipe.name}{seed}{fold}"


def _planned(child: _Child, parent: Path, context: Context) -> Todo:
    path = parent / child.name
    try:
        inputs = child.inputs(parent)
    except CellclsError as error:
        return path, partial(_raise, error)
    return path, partial(make_run, inputs, plan_run(path, inputs, context.options), context)


def _raise(error: CellclsError) -> NoReturn:
    raise error


def _each(todo: Sequence[Todo], parent: Path, context: Context) -> list[RunResult]:
    """Execute one run after another; report failures and continue, unless asked to stop."""
    results = []
    for path, make in todo:
        try:
            results.append(make())
        except InterruptedRunError as error:
            raise with_hints(error, resume_line(parent)) from error
        except CellclsError as error:
            context.output.say(f"cellcls: {path}: {error}")
            results.append(failed(path, error.exit_code))
    return results


def _runs_in(folder: RunFolder) -> list[RunFolder]:
    """Return the run in a folder, or the runs below it. Raises ``MissingInputError`` if it is not a run folder."""
    found = [folder] if folder.is_run else [child for child in folder.children() if child.is_run]
    if not found and folder.recipe.is_file():
        raise MissingInputError(
            f"{folder.path}: not a run folder: it has a {folder.recipe.name} but no {folder.options.name}, which "
            "a run writes first; nothing was changed",
            f"to run the recipe: cellcls run {folder.recipe}",
        )
    return found


def _lost(path: Path, context: Context) -> list[RunResult]:
    """Report and return the runs that were planned in ``path`` but are missing, along with their recipes."""
    names = [run.folder for file in read_plan(path).files for run in file.runs]
    lost = [path / name for name in names if not RunFolder(path / name).recipe.exists()]
    for run_folder in lost:
        reason = "it failed to start, or the command was killed before it wrote the recipe there"
        context.output.say(
            f"cellcls: {run_folder}: planned, but missing: {reason}\n  run its recipe again, with another --out"
        )
    return [failed(run_folder, ExitCode.NO_INPUT) for run_folder in lost]


def _unfinished(runs: Sequence[RunFolder], path: Path, lost: Sequence[RunResult]) -> list[RunFolder]:
    """Return those of ``runs`` that are incomplete, or were killed before their report was written."""
    if not runs:
        raise MissingInputError(f"{path}: not a run folder, and contains none", "a run folder has a recipe.toml")
    found = [run for run in runs if not (run.complete and run.report.exists())]
    if not found and not lost:
        raise UsageError(f"{path}: complete, nothing to resume", f"its report: {path}/report.html")
    return found
