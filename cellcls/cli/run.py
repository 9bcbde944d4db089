"""``cellcls run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from cellcls.cli.compare import compared, show_comparison, show_expected
from cellcls.cli.execute import resume_all, run_all
from cellcls.cli.launch import chosen
from cellcls.cli.output import NO_RECIPE, json_option, machine_options, print_json, recipes_argument, say, table
from cellcls.cli.single import Result
from cellcls.cli.sweep import is_sweep
from cellcls.errors import ExitCode, UsageError
from cellcls.ops.processes.torchrun import is_first
from cellcls.recipe import load_all
from cellcls.registry import load_registry
from cellcls.runs.options import Options

if TYPE_CHECKING:
    from cellcls.report.compare import Comparison


@click.command()
@recipes_argument
@machine_options
@click.option("--out", type=click.Path(path_type=Path), help="The run folder to make; default: runs/NAME-N.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting: train.batch_size=64.")
@click.option("--variant", help="Run one variant of the recipe only.")
@click.option("--rehearse", is_flag=True, help="Rendered cells, random weights, one step a stage: does it work?")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run that was stopped.")
@click.option(
    "--launcher", "launched_by", metavar="NAME", help="Who executes several runs: local, ray, local:at_once=2."
)
@click.option("--fail-on-claims", is_flag=True, help="Exit with 1 when a claim or an expectation does not hold.")
@json_option
def run(
    recipes: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    variant: str | None,
    resume: Path | None,
    launched_by: str | None,
    fail_on_claims: bool,
    as_json: bool,
    **machine: Any,
) -> int:
    """Train, measure and explain what a recipe says, into a run folder.

    A file with variants or seeds, a folder of recipes, or several recipes make one run each, in folders below RUN,
    and a comparison beside them.
    """
    registry = load_registry()
    options = Options(**machine)
    launcher = chosen(launched_by, registry) if launched_by else None
    if resume is not None:
        if recipes or out or overrides or variant or options.rehearse:
            raise UsageError("--resume takes a run folder, which holds the recipe, and options of the machine only")
        results = resume_all(resume, registry, options, launcher)
    else:
        if not recipes:
            raise UsageError(NO_RECIPE, "cellcls run RECIPE")
        loaded = load_all(recipes, registry, overrides=overrides, variant=variant, rehearse=options.rehearse)
        results = run_all(loaded, registry, options, out, launcher)
    together = compared(results) if is_first() else None
    if is_first():
        _print(results, together, as_json)
    return _code(results, together, fail_on_claims)


def _code(results: Sequence[Result], together: Comparison | None, fail_on_claims: bool) -> int:
    """Return the exit code: that of the first run that failed, but for trials of a search, of which some may."""
    code = next((one["exit_code"] for one in results if one["exit_code"] and not is_sweep(Path(one["run"]).parent)), 0)
    if code:
        return int(code)
    missed = [claim for one in results if one["metrics"] for claim in one["metrics"]["claims"] if not claim["held"]]
    missed += [one for one in together.verdicts if one.held is False] if together else []
    return ExitCode.CHECK_FAILED if missed and fail_on_claims else ExitCode.DONE


def _print(results: list[Result], together: Comparison | None, as_json: bool) -> None:
    from cellcls.report import tables
    from cellcls.report.read import read_run

    if as_json:
        print_json(_with_expectations(results[0], together) if len(results) == 1 else results)
        return
    for one in results:
        if one["metrics"] is None:
            continue
        record = read_run(Path(one["run"]))
        rehearsal = record.metrics.rehearsal
        table(f"{one['metrics']['name']}{' (rehearsal)' if rehearsal else ''}", tables.summary(record))
        table("claimed and measured", tables.claims(record))
        if rehearsal:
            say("cellcls: warning: a rehearsal: rendered cells, a step a stage; the figures say nothing about cells")
        print(f"report: {one['run']}/report.html\n")
    if together and together.parent:
        show_comparison(together)
        print(f"comparison: {Path(results[0]['run']).parent}/comparison.html")
    elif together:
        show_expected(together)


def _with_expectations(result: Result, together: Comparison | None) -> Result:
    verdicts = [attrs.asdict(one) for one in together.verdicts] if together else []
    return {**result, "expectations": verdicts} if verdicts else result
