"""Making the runs of one call: their folders first, then one after the other; and going on with stopped ones."""

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
from cellcls.runs.folder import RunFolder, free_folder
from cellcls.runs.init import find_all, find_init
from cellcls.runs.inputs import Inputs, find_inputs
from cellcls.runs.options import kept_options, write_options
from cellcls.runs.plan import plan, read_plan, write_plan

Todo = tuple[Path, Callable[[], RunResult]]
"""A run's folder, and what makes it or raises what is wrong."""


def run_all(loaded: Sequence[Loaded], out: Path | None, context: Context) -> list[RunResult]:
    """Make every run; with several, one that fails is reported and the others go on."""
    searching = next((one for one in loaded if one.sweep is not None), None)
    if searching and len(loaded) > 1:
        raise UsageError(f"{searching.file}: a [sweep] makes many runs; give it alone")
    _refuse_torchrun(searching is not None, context)
    if searching:
        return new_sweep(searching, out, context).execute()
    if len(loaded) == 1 and context.launcher is None:
        return [_single(loaded[0], out, context)]
    return _several(loaded, out, context)


def resume_all(path: Path, context: Context) -> list[RunResult]:
    """Go on with the run in ``path``, or with every run below it, that is not finished.

    Each has the options it was started with but for those of ``context``.
    """
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
    """Refuse a launcher or a search in several processes of torchrun. Raises ``UsageError``."""
    if processes() > 1 and (searches or context.launcher is not None):
        what = "a [sweep]" if searches else "--launcher"
        raise UsageError(
            f"torchrun made {processes()} processes of this command, and each would make all runs of {what}",
            "leave torchrun out here; it is for a single run",
        )


def _single(loaded: Loaded, out: Path | None, context: Context) -> RunResult:
    inputs = find_all(loaded, context.registry, context.options)
    folder = plan_run(out or free_folder(loaded.recipe.name), inputs, context.options)
    if loaded.expect and is_first():
        write_plan(folder.path, plan([loaded], ["."]))
    return make_run(inputs, folder, context)


@attrs.frozen
class _Child:
    """One of several runs of a call, before its folder is made."""

    name: str
    """Its folder below the one they share."""
    loaded: Loaded
    found: Inputs | CellclsError
    earlier: Mapping[str, str]
    """The folders of the runs before it, by their own names and those of their recipes."""

    @property
    def start(self) -> str | None:
        """The folder of the run of this call that it starts from."""
        wanted = None if isinstance(self.found, CellclsError) else self.found.recipe.init.from_
        return self.earlier.get(wanted) if wanted else None

    def inputs(self, parent: Path) -> Inputs:
        """Return its inputs with the run it starts from. Raises what is wrong with them."""
        if isinstance(self.found, CellclsError):
            raise self.found
        return find_init(self.found, self.loaded.file, {name: parent / one for name, one in self.earlier.items()})


def _several(loaded: Sequence[Loaded], out: Path | None, context: Context) -> list[RunResult]:
    children = list(_children(loaded, context))
    problems = [one.found for one in children if isinstance(one.found, CellclsError)]
    if len(problems) == len(children):
        raise problems[0]
    if context.launcher is not None:
        launch.refuse_needing({Path(one.name): Path(one.start) if one.start else None for one in children})
    name = loaded[0].file.stem if len({one.file for one in loaded}) == 1 else "runs"
    whole = shared_folder(out or free_folder(name))
    parent = whole.path
    try:
        if is_first():
            write_plan(parent, plan(loaded, [one.name for one in children]))
        todo = [_planned(one, parent, context) for one in children]
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
    for name, one in zip(names, loaded, strict=True):
        try:
            found: Inputs | CellclsError = find_inputs(one.recipe, one.file, context.registry, context.options)
        except CellclsError as error:
            found = error
        yield _Child(name, one, found, dict(earlier))
        earlier[name] = name
        earlier.setdefault(one.recipe.name, name)


def _child_names(loaded: Sequence[Loaded]) -> list[str]:
    names = [f"{one.recipe.name}-seed{one.recipe.seed}" if one.seeded else one.recipe.name for one in loaded]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two of the recipes are called `{twice}`; give each a `name` of its own")
    return names


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
    """Make one run after the other; report what failed and go on, but for a wish to stop."""
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
    """Return the run in a folder, or the runs below it. Raises ``MissingInputError`` for a folder that is no run's."""
    found = [folder] if folder.is_run else [one for one in folder.children() if one.is_run]
    if not found and folder.recipe.is_file():
        raise MissingInputError(
            f"{folder.path}: not a run folder: it has a {folder.recipe.name}, and no {folder.options.name}, which "
            "a run writes first; nothing was changed",
            f"to run the recipe: cellcls run {folder.recipe}",
        )
    return found


def _lost(path: Path, context: Context) -> list[RunResult]:
    """Tell and return the runs that were planned in ``path`` and are not there: their recipes are not there either."""
    names = [run.folder for file in read_plan(path).files for run in file.runs]
    lost = [path / name for name in names if not RunFolder(path / name).recipe.exists()]
    for one in lost:
        said = "it failed at its start, or the call was killed before it wrote the recipe there"
        context.output.say(
            f"cellcls: {one}: planned, and not there: {said}\n  run its recipe again, into a folder of its own"
        )
    return [failed(one, ExitCode.NO_INPUT) for one in lost]


def _unfinished(runs: Sequence[RunFolder], path: Path, lost: Sequence[RunResult]) -> list[RunFolder]:
    """Return those of ``runs`` that are not complete, or were killed before their report was drawn."""
    if not runs:
        raise MissingInputError(f"{path}: no run folder", "it would have a recipe.toml, or folders that have one")
    found = [one for one in runs if not (one.complete and one.report.exists())]
    if not found and not lost:
        raise UsageError(f"{path}: complete; there is nothing to resume", f"its report: {path}/report.html")
    return found
