"""Executes or resumes a single run: its folder, its training and evaluation, and the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from cellcls.errors import CellclsError, ExitCode, InterruptedRunError
from cellcls.execution.context import Context, Output
from cellcls.execution.result import RunResult, result_of
from cellcls.ops.processes.torchrun import is_first, processes
from cellcls.ops.storage.files import write_text
from cellcls.recipe import dump, load
from cellcls.runs.folder import RunFolder, make_folder
from cellcls.runs.init import find_all
from cellcls.runs.inputs import Inputs, find_inputs
from cellcls.runs.options import Options, kept_options, write_options
from cellcls.runs.stop import Stop

if TYPE_CHECKING:
    from cellcls.engine.job import Job


def shared_folder(path: Path) -> RunFolder:
    """Create a folder in the first process of torchrun, and return it in all of them."""
    if processes() == 1:
        return make_folder(path)
    from cellcls.engine.device import machine

    here = machine(Options(), "float32")
    folder = make_folder(path) if here.first else None
    agreed = here.agreed(str(folder.path) if folder else None)
    return folder or RunFolder(Path(agreed))


def plan_run(path: Path, inputs: Inputs, options: Options, *, half_planned: bool = False) -> RunFolder:
    """Create a run's folder and write what resuming needs, even if the run is killed before its first step.

    The recipe is written last: a folder that has one is planned. ``half_planned``: an earlier command may have been
    killed while planning the same run.
    """
    folder = make_folder(path, half_planned=True) if half_planned else shared_folder(path)
    if is_first():
        try:
            write_options(folder, options)
            write_text(folder.recipe, dump(inputs.recipe))
        except CellclsError:
            folder.discard()
            raise
    return folder


def make_run(inputs: Inputs, folder: RunFolder, context: Context) -> RunResult:
    """Execute a planned run, from its start or from its saved state, and write its report."""
    from cellcls.engine.job import Job

    with Stop().listening() as stop:
        job = Job(inputs=inputs, folder=folder, options=context.options, registry=context.registry, stop=stop)
        try:
            _execute(job, context.output)
        except InterruptedRunError as error:
            raise with_hints(error, *(error.hints or [resume_line(folder.path)])) from error
    return result_of(folder) if is_first() else RunResult(folder=folder.path)


def resume_run(folder: RunFolder, context: Context) -> RunResult:
    """Resume a run with the options it was started with, except for those given in ``context``.

    A complete run is tidied up, and gets its report if it was killed before that was written. A run with a saved state
    no longer needs the run it started from.
    """
    if folder.complete:
        folder.remove_state()
        if not folder.report.exists():
            _draw(folder)
        return result_of(folder)
    options = kept_options(folder, context.options)
    registry = context.registry
    loaded = load(folder.recipe, registry, rehearse=options.rehearse)[0]
    if folder.saved.exists():
        inputs = find_inputs(loaded.recipe, loaded.file, registry, options)
    else:
        inputs = find_all(loaded, registry, options)
    return make_run(inputs, folder, attrs.evolve(context, options=options))


def resume_line(path: Path, arguments: str = "") -> str:
    """Return the hint on how to resume."""
    return f"to resume: cellcls run --resume {path}{arguments}"


def with_hints(error: InterruptedRunError, *hints: str) -> InterruptedRunError:
    """Return the error with other hints."""
    return InterruptedRunError(error.message, *hints, code=ExitCode(error.exit_code))


def _execute(job: Job, output: Output) -> None:
    output.say("cellcls: importing torch")
    from cellcls.engine.device import leave
    from cellcls.engine.train import run as execute

    first = is_first()
    try:
        with (output if first else Output()).progress() as watch, _writing(job.folder) if first else nullcontext():
            for event in execute(job):
                watch(event)
    finally:
        leave()
    if first:
        _draw(job.folder)


def _draw(folder: RunFolder) -> None:
    from cellcls import report

    report.write(folder.path)


@contextmanager
def _writing(folder: RunFolder) -> Iterator[None]:
    """Lock a run's folder. A new run that fails before its first saved state leaves nothing behind; one that was
    stopped, or started by an earlier command, can be resumed."""
    try:
        with folder.locked():
            yield
    except InterruptedRunError:
        raise
    except Exception:
        folder.discard()
        raise
