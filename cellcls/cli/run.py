"""``cellcls run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from cellcls.cli.compare import show_comparison, show_expected
from cellcls.cli.output import NO_RECIPE, PathType, json_option, machine_options, print_json, recipes_argument
from cellcls.errors import ExitCode, UsageError
from cellcls.execution.context import Context
from cellcls.ops.processes.torchrun import is_first
from cellcls.recipe import load_all
from cellcls.registry import load_registry
from cellcls.runs.options import Options
from cellcls.terminal import answer, console, say, table

if TYPE_CHECKING:
    from cellcls.execution.result import RunResult
    from cellcls.report.compare import RunComparison


@click.command()
@recipes_argument
@machine_options
@click.option("--out", type=PathType(), help="The run folder to create; default: runs/NAME-N.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting: train.batch_size=64.")
@click.option("--variant", help="Run only this variant of the recipe.")
@click.option("--rehearse", is_flag=True, help="Quick test with rendered cells, random weights and one step per stage.")
@click.option("--resume", type=PathType(), metavar="RUN", help="Resume a run that was stopped.")
@click.option(
    "--launcher", "launched_by", metavar="NAME", help="What executes several runs: local, ray, local:at_once=2."
)
@click.option("--fail-on-claims", is_flag=True, help="Exit with 1 if a claim or an expectation does not hold.")
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
    """Train, evaluate and explain a recipe, and write the results to a run folder.

    A recipe with variants or seeds, several recipes or a folder of them make several runs, each in its own folder
    below the run folder, and a comparison next to them.
    """
    from cellcls.execution.comparison import compare_results
    from cellcls.execution.launch import choose_launcher
    from cellcls.execution.several import resume_all, run_all

    registry = load_registry()
    options = Options(**machine)
    launcher = choose_launcher(launched_by, registry) if launched_by else None
    context = Context(registry=registry, options=options, output=console(), launcher=launcher)
    if resume is not None:
        if recipes or out or overrides or variant or options.rehearse:
            raise UsageError("--resume takes a run folder and options of the machine only: the recipe is in the folder")
        results = resume_all(resume, context)
    else:
        if not recipes:
            raise UsageError(NO_RECIPE, "cellcls run RECIPE")
        loaded = load_all(recipes, registry, overrides=overrides, variant=variant, rehearse=options.rehearse)
        results = run_all(loaded, out, context)
    comparison = compare_results(results) if is_first() else None
    if is_first():
        _print(results, comparison, as_json)
    return _code(results, comparison, fail_on_claims)


def _code(results: Sequence[RunResult], comparison: RunComparison | None, fail_on_claims: bool) -> int:
    """Return the exit code: that of the first failed run, except for trials of a search, some of which may fail."""
    from cellcls.execution.sweep import is_sweep

    code = next((result.exit_code for result in results if result.exit_code and not is_sweep(result.folder.parent)), 0)
    if code:
        return code
    missed = any(not claim.held for result in results if result.metrics for claim in result.metrics.claims)
    missed |= comparison is not None and any(verdict.held is False for verdict in comparison.verdicts)
    return ExitCode.CHECK_FAILED if missed and fail_on_claims else ExitCode.DONE


def _print(results: Sequence[RunResult], comparison: RunComparison | None, as_json: bool) -> None:
    from cellcls.report import tables
    from cellcls.report.read import read_run

    if as_json:
        data = [result.to_data() for result in results]
        print_json(_with_expectations(data[0], comparison) if len(data) == 1 else data)
        return
    for result in results:
        if result.metrics is None:
            continue
        record = read_run(result.folder)
        rehearsal = record.metrics.rehearsal
        table(f"{record.metrics.name}{' (rehearsal)' if rehearsal else ''}", tables.summary(record))
        table("claimed and measured", tables.claims(record))
        if rehearsal:
            say("cellcls: warning: rehearsal: rendered cells, one step per stage; results say nothing about real cells")
        answer(f"report: {result.folder}/report.html\n")
    if comparison and comparison.parent:
        show_comparison(comparison)
        answer(f"comparison: {results[0].folder.parent}/comparison.html")
    elif comparison:
        show_expected(comparison)


def _with_expectations(result: dict[str, object], comparison: RunComparison | None) -> dict[str, object]:
    verdicts = [attrs.asdict(verdict) for verdict in comparison.verdicts] if comparison else []
    return {**result, "expectations": verdicts} if verdicts else result
