"""Runs that a launcher executes (``--launcher NAME``): planned here, run in processes of their own."""

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


def choose_launcher(said: str, registry: Registry) -> ChosenLauncher:
    """Return the launcher ``NAME`` or ``NAME:SETTING=VALUE,...``. Raises ``UsageError`` where there is none such."""
    name, _, rest = said.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    data = {key.strip(): parsed(value.strip()) for key, _, value in pairs}
    structurer = Structurer(registry)
    made: Any = structurer.make(Launcher, {"use": name, **data}, ("launcher",))
    if made is INVALID:
        first = structurer.problems[0]
        raise UsageError(f"--launcher {said}: {first.message}", *filter(None, [first.hint]))
    return ChosenLauncher(said=said, launcher=made)


def start_of(folder: RunFolder, registry: Registry) -> Path | None:
    """Return the run that a planned one starts from, None where it has its own state, or its recipe is broken: its own
    process tells that."""
    if folder.saved.exists():
        return None
    try:
        start = load(folder.recipe, registry, rehearse=True)[0].recipe.init.from_
    except CellclsError:
        return None
    return Path(start) if start else None


def refuse_needing(starts: Mapping[Path, Path | None]) -> None:
    """Refuse runs that start from each other (``starts``: of each run, what it starts from). Raises ``UsageError``."""
    here = {one.resolve() for one in starts}
    for run, start in starts.items():
        if start is not None and start.resolve() in here:
            raise UsageError(
                f"{run.name} starts from {start.name}, a run of the same call: they cannot run side by side",
                "run them without --launcher, or the first one first",
            )


def execute(launcher: ChosenLauncher, runs: Sequence[Path], parent: Path, output: Output) -> list[RunResult]:
    """Execute planned runs; return their results in their order. One that fails is told, and the others go on.

    Raises ``InterruptedRunError`` when a person or the system asks to stop; the runs save their state first.
    """
    codes: dict[Path, int] = {}
    where = "each prints into a .log file beside its folder"
    output.say(f"cellcls: {len(runs)} runs, launched by `{launcher.launcher.component_name}`; {where}")
    with Stop().listening():
        ended = launcher.launcher.build()(runs)
        try:
            for run, code in ended:
                codes[run] = _ended(run, exit_code(code), output)
        except InterruptedRunError as error:
            raise with_hints(error, resume_line(parent, f" --launcher {launcher.said}")) from error
        finally:
            close = getattr(ended, "close", None)
            if close is not None:
                close()  # the launcher ends what still runs
    for run in runs:
        if run not in codes:
            output.say(f"cellcls: {run}: was not run: the launcher `{launcher.launcher.component_name}` left it out")
    return [_result(run, codes.get(run, ExitCode.BUG)) for run in runs]


def _ended(run: Path, code: int, output: Output) -> int:
    """Say how a run's process ended, and return what that means: one that says it is done must have its figures."""
    if code:
        output.say(f"cellcls: {run}: ended with {code}\n{log_tail(run)}")
    elif RunFolder(run).complete:
        output.say(f"cellcls: {run}: done")
    else:
        output.say(f"cellcls: {run}: ended as if it were done, and there are no figures\n{log_tail(run)}")
        return ExitCode.BUG
    return code


def _result(run: Path, code: int) -> RunResult:
    return failed(run, code) if code else result_of(RunFolder(run))
