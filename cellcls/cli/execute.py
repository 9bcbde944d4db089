"""Making the runs of one call: their folders first, then one after the other; and going on with stopped ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import attrs

from cellcls.cli import launch
from cellcls.cli.output import say
from cellcls.cli.single import (
    Result,
    failed,
    make_run,
    plan_run,
    resume_line,
    resume_run,
    shared_folder,
    with_hints,
)
from cellcls.cli.sweep import is_sweep, new_sweep, stopped_sweep
from cellcls.errors import CellclsError, ExitCode, InterruptedRunError, MissingInputError, UsageError
from cellcls.ops.processes.torchrun import is_first, processes
from cellcls.recipe import Loaded
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder, free_folder
from cellcls.runs.init import find_all, find_init
from cellcls.runs.inputs import Inputs, find_inputs
from cellcls.runs.options import Options, kept_options, write_options
from cellcls.runs.plan import plan, read_plan, write_plan

Todo = tuple[Path, Callable[[], Result]]
"""A run's folder, and what makes it or raises what is wrong."""


def run_all(
    loaded: Sequence[Loaded],
    registry: Registry,
    options: Options,
    out: Path | None,
    launcher: launch.Chosen | None = None,
) -> list[Result]:
    """Make every run; with several, one that fails is told and the others go on. ``launcher``: who executes them."""
    searching = next((one for one in loaded if one.sweep is not None), None)
    if searching and len(loaded) > 1:
        raise UsageError(f"{searching.file}: a [sweep] makes many runs; give it alone")
    _refuse_torchrun(searching is not None, launcher)
    if searching:
        return new_sweep(searching, registry, options, out, launcher).execute()
    if len(loaded) == 1 and launcher is None:
        return [_single(loaded[0], registry, options, out)]
    return _several(loaded, registry, options, out, launcher)


def resume_all(path: Path, registry: Registry, now: Options, launcher: launch.Chosen | None = None) -> list[Result]:
    """Go on with the run in ``path``, or with every run below it, that is not finished.

    Each has the options it was started with but for those given ``now``.
    """
    folder = RunFolder(path)
    _refuse_torchrun(is_sweep(path), launcher)
    if is_sweep(path):
        return stopped_sweep(path, registry, now, launcher).execute()
    lost = _lost(path)
    todo = _unfinished(_runs_in(folder), path, lost)
    if launcher is not None:
        launch.refuse_needing({one.path: launch.start_of(one, registry) for one in todo})
        for one in todo:
            write_options(one, kept_options(one, now))
        return [*launch.execute(launcher, [one.path for one in todo], path), *lost]
    if folder.is_run:
        return [resume_run(folder, registry, now)]
    return [*_each([(one.path, partial(resume_run, one, registry, now)) for one in todo], path), *lost]


def _refuse_torchrun(searches: bool, launcher: launch.Chosen | None) -> None:
    """Refuse a launcher or a search in several processes of torchrun. Raises ``UsageError``."""
    if processes() > 1 and (searches or launcher is not None):
        what = "a [sweep]" if searches else "--launcher"
        raise UsageError(
            f"torchrun made {processes()} processes of this command, and each would make all runs of {what}",
            "leave torchrun out here; it is for a single run",
        )


def _single(loaded: Loaded, registry: Registry, options: Options, out: Path | None) -> Result:
    inputs = find_all(loaded, registry, options)
    folder = plan_run(out or free_folder(loaded.recipe.name), inputs, options)
    if loaded.expect and is_first():
        write_plan(folder.path, plan([loaded], ["."]))
    return make_run(inputs, folder, registry, options)


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


def _several(
    loaded: Sequence[Loaded], registry: Registry, options: Options, out: Path | None, launcher: launch.Chosen | None
) -> list[Result]:
    children = list(_children(loaded, registry, options))
    problems = [one.found for one in children if isinstance(one.found, CellclsError)]
    if len(problems) == len(children):
        raise problems[0]
    if launcher is not None:
        launch.refuse_needing({Path(one.name): Path(one.start) if one.start else None for one in children})
    name = loaded[0].file.stem if len({one.file for one in loaded}) == 1 else "runs"
    whole = shared_folder(out or free_folder(name))
    parent = whole.path
    try:
        if is_first():
            write_plan(parent, plan(loaded, [one.name for one in children]))
        todo = [_planned(one, parent, registry, options) for one in children]
    except CellclsError:
        whole.discard()
        raise
    if launcher is None:
        return _each(todo, parent)
    planned = [path for path, _ in todo if RunFolder(path).recipe.exists()]
    told = _each([(path, make) for path, make in todo if path not in planned], parent)
    return told + launch.execute(launcher, planned, parent)


def _children(loaded: Sequence[Loaded], registry: Registry, options: Options) -> Iterator[_Child]:
    earlier: dict[str, str] = {}
    names = _child_names(loaded)
    for name, one in zip(names, loaded, strict=True):
        try:
            found: Inputs | CellclsError = find_inputs(one.recipe, one.file, registry, options)
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


def _planned(child: _Child, parent: Path, registry: Registry, options: Options) -> Todo:
    path = parent / child.name
    try:
        inputs = child.inputs(parent)
    except CellclsError as error:
        return path, partial(_raise, error)
    return path, partial(make_run, inputs, plan_run(path, inputs, options), registry, options)


def _raise(error: CellclsError) -> NoReturn:
    raise error


def _each(todo: Sequence[Todo], parent: Path) -> list[Result]:
    """Make one run after the other; tell what failed and go on, but for a wish to stop."""
    results = []
    for path, make in todo:
        try:
            results.append(make())
        except InterruptedRunError as error:
            raise with_hints(error, resume_line(parent)) from error
        except CellclsError as error:
            say(f"cellcls: {path}: {error}")
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


def _lost(path: Path) -> list[Result]:
    """Tell and return the runs that were planned in ``path`` and are not there: their recipes are not there either."""
    names = [run.folder for file in read_plan(path).files for run in file.runs]
    lost = [path / name for name in names if not RunFolder(path / name).recipe.exists()]
    for one in lost:
        said = "it failed at its start, or the call was killed before it wrote the recipe there"
        say(f"cellcls: {one}: planned, and not there: {said}\n  run its recipe again, into a folder of its own")
    return [failed(one, ExitCode.NO_INPUT) for one in lost]


def _unfinished(runs: Sequence[RunFolder], path: Path, lost: Sequence[Result]) -> list[RunFolder]:
    """Return those of ``runs`` that are not complete, or were killed before their report was drawn."""
    if not runs:
        raise MissingInputError(f"{path}: no run folder", "it would have a recipe.toml, or folders that have one")
    found = [one for one in runs if not (one.complete and one.report.exists())]
    if not found and not lost:
        raise UsageError(f"{path}: complete; there is nothing to resume", f"its report: {path}/report.html")
    return found
