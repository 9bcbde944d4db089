"""Making the runs of one call: their folders first, then one after the other; and going on with stopped ones."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import tomli

from cellcls.api import Launcher
from cellcls.cli import launch
from cellcls.cli.output import say
from cellcls.cli.progress import progress
from cellcls.cli.sweep import RECIPE as SWEEP
from cellcls.cli.sweep import new_sweep, stopped_sweep
from cellcls.errors import CellclsError, ExitCode, InterruptedRunError, MissingInputError, UsageError
from cellcls.ops.files import write_text
from cellcls.recipe import Loaded, dump, load
from cellcls.registry import Registry
from cellcls.run.folder import RunFolder, free_folder, make_folder, read_json, write_options
from cellcls.run.init import find_init
from cellcls.run.inputs import Inputs, find_inputs
from cellcls.run.options import Options
from cellcls.run.plan import plan, write_plan

if TYPE_CHECKING:
    from cellcls.engine.job import Job

Todo = Callable[[], "Result"]
Result = dict[str, Any]
"""``run``: its folder, ``exit_code``, ``metrics``: as in its ``metrics.json``, None where it failed."""


def is_first() -> bool:
    """Tell whether this is the process of torchrun that writes and prints."""
    return int(os.environ.get("RANK", "0")) == 0


def run_all(
    loaded: Sequence[Loaded], registry: Registry, options: Options, out: Path | None, launcher: Launcher | None = None
) -> list[Result]:
    """Make every run; with several, one that fails is told and the others go on. ``launcher``: who executes them."""
    if len(loaded) == 1 and launcher is None:
        inputs = find_init(find_inputs(loaded[0].recipe, loaded[0].file, registry, options), loaded[0].file)
        folder = _planned(out or free_folder(loaded[0].recipe.name), inputs, options)
        if loaded[0].expect and is_first():
            write_plan(folder.path, plan(loaded, ["."]))
        return [_made(inputs, folder, registry, options)]
    names = _child_names(loaded)
    found = [_found(one, registry, options) for one in loaded]
    problems = [one for one in found if isinstance(one, CellclsError)]
    if len(problems) == len(found):
        raise problems[0]
    name = loaded[0].file.stem if len({one.file for one in loaded}) == 1 else "runs"
    parent = _shared_folder(out or free_folder(name)).path
    try:
        if is_first():
            write_plan(parent, plan(loaded, names))
        todo = []
        earlier: dict[str, Path] = {}
        for name, one, own in zip(names, loaded, found, strict=True):
            todo.append(_planned_child(parent / name, _started(own, one.file, earlier), registry, options))
            earlier[name] = parent / name
            earlier.setdefault(one.recipe.name, parent / name)
    except CellclsError:
        shutil.rmtree(parent, ignore_errors=True)
        raise
    return _launched(launcher, todo, parent, earlier) if launcher else _each(todo, parent)


def _launched(
    launcher: Launcher, todo: Sequence[tuple[Path, Todo]], parent: Path, earlier: Mapping[str, Path]
) -> list[Result]:
    """Let a launcher execute the planned runs; those without their inputs are told."""
    planned, results = [], []
    for path, make in todo:
        if RunFolder(path).recipe.exists():
            planned.append(path)
        else:
            results += _each([(path, make)], parent)
    for path in planned:
        start = tomli.loads(RunFolder(path).recipe.read_text()).get("init", {}).get("from")
        if start in {str(one.resolve()) for one in earlier.values()}:
            shutil.rmtree(parent, ignore_errors=True)
            raise UsageError(
                f"{path.name} starts from {Path(start).name}, a run of the same call: they cannot run side by side",
                "run them without --launcher, or the first one first",
            )
    return results + launch.execute(launcher, planned, parent)


def resume_all(path: Path, registry: Registry, now: Options, launcher: Launcher | None = None) -> list[Result]:
    """Go on with the run in ``path``, or with every run below it, that is not complete.

    Each has the options it was started with but for those given ``now``.
    """
    folder = RunFolder(path)
    if (path / SWEEP).exists():
        kept = Options.from_data(read_json(folder.options)).changed_by(now)
        return stopped_sweep(path, registry, now, partial(_trial, registry, kept)).execute()
    if folder.recipe.exists():
        _open_ones([folder], path)
        return [_resumed(folder, registry, now)]
    if launcher is not None:
        return launch.execute(launcher, [one.path for one in _open_ones(folder.children(), path)], path)
    todo = [(one.path, partial(_resumed, one, registry, now)) for one in _open_ones(folder.children(), path)]
    return _each(todo, path)


def sweep_all(loaded: Loaded, registry: Registry, options: Options, out: Path | None) -> list[Result]:
    """Make the runs of a search."""
    return new_sweep(loaded, registry, options, out, partial(_trial, registry, options)).execute()


def _trial(registry: Registry, options: Options, loaded: Loaded, path: Path) -> Result:
    """Make one run of a search, or go on with it."""
    folder = RunFolder(path)
    if folder.recipe.exists():
        if not folder.state.exists():  # it was complete when the journal was not yet written
            return {"run": str(path), "exit_code": 0, "metrics": read_json(folder.metrics)}
        return _resumed(folder, registry, options)
    inputs = find_init(find_inputs(loaded.recipe, loaded.file, registry, options), loaded.file)
    return _made(inputs, _planned(path, inputs, options), registry, options)


def _child_names(loaded: Sequence[Loaded]) -> list[str]:
    names = [f"{one.recipe.name}-seed{one.recipe.seed}" if one.seeded else one.recipe.name for one in loaded]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two of the recipes are called `{twice}`; give each a `name` of its own")
    return names


def _found(loaded: Loaded, registry: Registry, options: Options) -> Inputs | CellclsError:
    try:
        return find_inputs(loaded.recipe, loaded.file, registry, options)
    except CellclsError as error:
        return error


def _started(found: Inputs | CellclsError, file: Path, earlier: Mapping[str, Path]) -> Inputs | CellclsError:
    """Return the inputs with the run they start from, which may be an earlier one of this call."""
    try:
        return found if isinstance(found, CellclsError) else find_init(found, file, earlier)
    except CellclsError as error:
        return error


def _planned_child(
    path: Path, found: Inputs | CellclsError, registry: Registry, options: Options
) -> tuple[Path, Callable[[], Result]]:
    if isinstance(found, CellclsError):
        return path, partial(_raise, found)
    return path, partial(_made, found, _planned(path, found, options), registry, options)


def _raise(error: CellclsError) -> NoReturn:
    raise error


def _each(todo: Sequence[tuple[Path, Callable[[], Result]]], parent: Path) -> list[Result]:
    """Make one run after the other; tell what failed and go on, but for a wish to stop."""
    results = []
    for path, make in todo:
        try:
            results.append(make())
        except InterruptedRunError as error:
            raise _with_hints(error, _resume_line(parent)) from error
        except CellclsError as error:
            say(f"cellcls: {path}: {error}")
            results.append({"run": str(path), "exit_code": int(error.exit_code), "metrics": None})
    return results


def _shared_folder(path: Path) -> RunFolder:
    """Make a folder in the first process of torchrun, and name it to the others."""
    if "RANK" not in os.environ:
        return make_folder(path)
    from cellcls.engine.device import machine

    here = machine(Options(), "float32")
    return RunFolder(Path(here.agreed(str(make_folder(path).path) if here.first else None)))


def _planned(path: Path, inputs: Inputs, options: Options) -> RunFolder:
    """Make a run's folder and write what resuming needs even if the run is killed before its first step."""
    folder = _shared_folder(path)
    if is_first():
        try:
            write_text(folder.recipe, dump(inputs.recipe))
            write_options(folder, options.to_data())
            folder.state.mkdir(exist_ok=True)
        except CellclsError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
    return folder


def _made(inputs: Inputs, folder: RunFolder, registry: Registry, options: Options) -> Result:
    """Execute one run and draw its report."""
    from cellcls.engine.job import Job, Stop

    with Stop().listening() as stop:
        job = Job(inputs=inputs, folder=folder, options=options, registry=registry, stop=stop)
        try:
            _execute(job)
        except InterruptedRunError as error:
            raise _with_hints(error, *(error.hints or [_resume_line(folder.path)])) from error
    metrics = read_json(folder.metrics) if is_first() else {"claims": []}
    return {"run": str(folder.path), "exit_code": 0, "metrics": metrics}


def _execute(job: Job) -> None:
    say("cellcls: importing torch")
    from cellcls import report
    from cellcls.engine.device import leave
    from cellcls.engine.train import run as execute

    first = is_first()
    try:
        with progress(silent=not first) as shows, _writing(job.folder) if first else nullcontext():
            for event in execute(job):
                shows(event)
    finally:
        leave()
    if first:
        report.write(job.folder.path)


def _resume_line(path: Path) -> str:
    return f"go on with: cellcls run --resume {path}"


def _with_hints(error: InterruptedRunError, *hints: str) -> InterruptedRunError:
    return InterruptedRunError(error.message, *hints, code=ExitCode(error.exit_code))


@contextmanager
def _writing(folder: RunFolder) -> Iterator[None]:
    """Hold a run's folder. A run that fails before its first state leaves none; one that was stopped can go on."""
    with folder.locked():
        try:
            yield
        except InterruptedRunError:
            raise
        except Exception:
            if not folder.best.exists() and not any(folder.state.glob("*.safetensors")):
                shutil.rmtree(folder.path, ignore_errors=True)
            raise


def _open_ones(runs: Sequence[RunFolder], path: Path) -> list[RunFolder]:
    """Return those of ``runs`` that are not complete."""
    if not runs:
        raise MissingInputError(f"{path}: no run folder", "it would have a recipe.toml, or folders that have one")
    found = [one for one in runs if one.state.exists()]
    if not found:
        raise UsageError(f"{path}: complete; there is nothing to resume", f"its report: {path}/report.html")
    return found


def _resumed(folder: RunFolder, registry: Registry, now: Options) -> Result:
    kept = Options.from_data(read_json(folder.options)) if folder.options.exists() else Options()
    options = kept.changed_by(now)
    loaded = load(folder.recipe, registry, rehearse=options.rehearse)[0]
    inputs = find_init(find_inputs(loaded.recipe, folder.recipe, registry, options), folder.recipe)
    return _made(inputs, folder, registry, options)
