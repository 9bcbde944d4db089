"""``cellcls compare``, and the comparison that ``cellcls run`` prints for several runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.output import PathType, json_option, print_json
from cellcls.terminal import answer, say, table

if TYPE_CHECKING:
    from cellcls.report.compare import RunComparison


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PathType(), metavar="RUN...")
@click.option(
    "--by", metavar="EVALUATION.METRIC", help="The metric to sort by; default: test.accuracy, else val.accuracy."
)
@click.option(
    "--out",
    type=PathType(),
    help="Folder to write to; default: the folder of runs, if one was given, else runs/compare-N.",
)
@json_option
def compare(runs: tuple[Path, ...], by: str | None, out: Path | None, as_json: bool) -> None:
    """Compare finished runs: a sorted table, differences on the same images, curves; as text, page and figures.

    A folder of runs means all of them, and the page is written there.
    """
    from cellcls.report.compare import to_data
    from cellcls.report.compare_page import write_comparison
    from cellcls.report.compare_read import read_comparison
    from cellcls.runs.folder import free_folder

    comparison = read_comparison(runs, by)
    page = write_comparison(comparison, out or comparison.parent or free_folder("compare"))
    if as_json:
        print_json({"page": str(page), **to_data(comparison)})
        return
    show_comparison(comparison)
    answer(f"comparison: {page}")


def show_comparison(comparison: RunComparison) -> None:
    """Print the tables of a comparison."""
    from cellcls.report import compare_tables, folds

    table(f"{comparison.title}: best first, by {comparison.by}", compare_tables.runs(comparison))
    for note in compare_tables.notes(comparison):
        say(note)
    table("training, and what was claimed", compare_tables.training(comparison))
    if validated := folds.rows(comparison):
        table("cross-validation", validated)
        say(folds.NOTE)
    table("seeds", compare_tables.seeds(comparison))
    show_expected(comparison)
    if comparison.unfinished:
        say(f"cellcls: warning: unfinished runs are left out: {', '.join(comparison.unfinished)}")
    if comparison.rehearsal:
        say("cellcls: warning: rehearsals: rendered cells, one step per stage; results say nothing about real cells")


def show_expected(comparison: RunComparison) -> None:
    """Print the expectations and what was measured."""
    from cellcls.report import expect

    table("expected and measured", expect.rows(comparison.verdicts))
