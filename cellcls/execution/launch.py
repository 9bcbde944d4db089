"""Executes runs with a launcher (``--launcher NAME``): planned here, run in their own processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cellcls.api import Launcher
from cellcls.errors import CellclsError, ExitCode, InterruptedRunError, UsageError
from cellcls.execution.context import ChosenLauncher, Output
from cellcls.execution.result import RunResult, failed, result_of
from cellcls.execution.single import resume_line, with_hints
from cellcls.ops.processes.launching import exit_code, log_tail
from cellcls.recipe import load
from cellcls.recipe.overlay import parsed
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.stop import Stop


def choose_launcher(text: str, registry: Registry) -> ChosenLauncher:
    """Return the launcher ``NAME`` or ``NAME:SETTING=VALUE,...``. Raises ``UsageError`` if it does not exist."""
    name, _, rest = text.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    data = {key.strip(): parsed(value.strip()) for key, _, value in pairs}
    structurer = Structurer(registry)
    launcher: Any = structurer.make(Launcher, {"use": name, **data}, ("launcher",))
    if launcher is INVALID:
        first = structurer.problems[0]
        raise UsageError(f"--launcher {text}: {first.message}", *filter(None, [first.hint]))
    return ChosenLauncher(text=text, launcher=launcher)


def start_of(folder: RunFolder, registry: Registry) -> Path | None:
    """Return the run that a planned run starts from. None if it has a saved state, or if its recipe is broken, which
    its own process reports."""
    if folder.saved.exists():
        return None
    try:
        start = load(folder.recipe, registry, rehearse=True)[0].recipe.init.from_
    except CellclsError:
        return None
    return Path(start) if start else None


def refuse_needing(starts: Mapping[Path, Path | None]) -> None:
    """Raise ``UsageError`` if a run starts from another one. ``starts``: what each run starts from."""
    here = {run.resolve() for run in starts}
    for run, start in starts.items():
        if start is not None and start.resolve() in here:
            raise UsageError(
                f"{run.name} starts from {start.name}, a run of the same command: they cannot run in parallel",
                f"run them without --launcher, or finish {start.name} first",
            )


def execute(launcher: ChosenLauncher, runs: Sequence[Path], parent: Path, output: Output) -> list[RunResult]:
    """Execute planned runs; return their results in order. Failures are reported, and the other runs continue.

    Raises ``InterruptedRunError`` when a user or the system asks to stop; the runs save their state first.
    """
    codes: dict[Path, int] = {}
    where = "the output of each is in a .log file next to its folder"
    output.say(f"cellcls: {len(runs)} runs, launched by `{launcher.launcher.component_name}`; {where}")
    with Stop().listening():
        ended = launcher.launcher.build()(runs)
        try:
            for run, code in ended:
                codes[run] = _ended(run, exit_code(code), output)
        except InterruptedRunError as error:
            raise with_hints(error, resume_line(parent, f" --launcher {launcher.text}")) from error
        finally:
            close = getattr(ended, "close", None)
            if close is not None:
                close()  # the launcher ends the runs that are still running
    for run in runs:
        if run not in codes:
            output.say(f"cellcls: {run}: not run: the launcher `{launcher.launcher.component_name}` skipped it")
    return [_result(run, codes.get(run, ExitCode.BUG)) for run in runs]


def _ended(run: Path, code: int, output: Output) -> int:
    """Report how a run's process ended, and return its exit code: ``BUG`` if it succeeded without writing metrics."""
    if code:
        output.say(f"cellcls: {run}: ended with exit code {code}\n{log_tail(run)}")
    elif RunFolder(run).complete:
        output.say(f"cellcls: {run}: done")
    else:
        output.say(f"cellcls: {run}: ended without an error, but wrote no metrics\n{log_tail(run)}")
        return ExitCode.BUG
    return code


def _result(run: Path, code: int) -> RunResult:
    return failed(run, code) if code else result_of(RunFolder(run))
