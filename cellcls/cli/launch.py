"""Runs that a launcher executes (``--launcher NAME``): planned here, run in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellcls.api import Launcher
from cellcls.cli.output import say
from cellcls.engine.job import Stop
from cellcls.errors import ExitCode, InterruptedRunError, UsageError
from cellcls.ops.launching import last_words
from cellcls.recipe.overlay import parsed
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry
from cellcls.run.folder import RunFolder, read_json


def chosen(said: str, registry: Registry) -> Launcher:
    """Return the launcher ``NAME`` or ``NAME:SETTING=VALUE,...``. Raises ``UsageError`` where there is none such."""
    name, _, rest = said.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part.strip()]
    data = {key.strip(): parsed(value.strip()) for key, _, value in pairs}
    structurer = Structurer(registry)
    made: Any = structurer.make(Launcher, {"use": name, **data}, ("launcher",))
    if made is INVALID:
        first = structurer.problems[0]
        raise UsageError(f"--launcher {said}: {first.message}", *filter(None, [first.hint]))
    launcher: Launcher = made
    return launcher


def execute(launcher: Launcher, runs: Sequence[Path], parent: Path) -> list[dict[str, Any]]:
    """Execute planned runs; return their results in their order. One that fails is told, and the others go on.

    Raises ``InterruptedRunError`` when a person or the system asks to stop; the runs save their state first.
    """
    codes: dict[Path, int] = {}
    where = "each prints into a .log file beside its folder"
    say(f"cellcls: {len(runs)} runs, launched by `{launcher.component_name}`; {where}")
    with Stop().listening():
        ended = launcher.build()(runs)
        try:
            for run, code in ended:
                codes[run] = code
                say(f"cellcls: {run}: " + ("done" if code == 0 else f"ended with {code}\n{last_words(run)}"))
        except InterruptedRunError as error:
            hint = f"go on with: cellcls run --resume {parent} --launcher {launcher.component_name}"
            raise InterruptedRunError(error.message, hint, code=ExitCode(error.exit_code)) from error
        finally:
            close = getattr(ended, "close", None)
            if close is not None:
                close()  # the launcher ends what still runs
    return [_result(run, codes.get(run, int(ExitCode.BUG))) for run in runs]


def _result(run: Path, code: int) -> dict[str, Any]:
    metrics = RunFolder(run).metrics
    done = code == 0 and metrics.is_file()
    return {"run": str(run), "exit_code": code, "metrics": read_json(metrics) if done else None}
