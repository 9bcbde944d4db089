"""``cellcls compare``, and what ``cellcls run`` says of all its runs together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.output import PathType, json_option, print_json
from cellcls.terminal import say, table

if TYPE_CHECKING:
    from cellcls.report.compare import RunComparison


@click.command()
@click.argument("runs", nargs=-1, required=True, type=PathType(), metavar="RUN...")
@click.option("--by", metavar="EVALUATION.METRIC", help="The figure to sort by; default: test.accuracy, else val's.")
@click.option(
    "--out",
    type=PathType(),
    help="Folder to write to; default: that of all the runs, else runs/compare-N.",
)
@json_option
def compare(runs: tuple[Path, ...], by: str | None, out: Path | None, as_json: bool) -> None:
    """Compare finished runs: one sorted table, differences on the same images, curves; as text, page and picture.

    A folder that holds runs stands for all of them, and gets the page.
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
    print(f"comparison: {page}")


def show_comparison(comparison: RunComparison) -> None:
    """Print the tables of a comparison."""
    from cellcls.report import compare_tables

    table(f"{comparison.title}: best first, by {comparison.by}", compare_tables.runs(comparison))
    for note in compare_tables.notes(comparison):
        say(note)
    table("training, and what was claimed", compare_tables.training(comparison))
    table("seeds", compare_tables.seeds(comparison))
    show_expected(comparison)
    if comparison.unfinished:
        say(f"cellcls: warning: not finished, and left out: {', '.join(comparison.unfinished)}")
    if comparison.rehearsal:
        say("cellcls: warning: rehearsals: rendered cells, a step a stage; the figures say nothing about cells")


def show_expected(comparison: RunComparison) -> None:
    """Print what was expected beside what was measured."""
    from cellcls.report import expect

    table("expected and measured", expect.rows(comparison.verdicts))
