"""The page of a comparison, and the writing of all its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from cellcls.errors import UsageError
from cellcls.ops import files
from cellcls.report import compare_tables, expect, tables
from cellcls.report.compare import Comparison, to_data
from cellcls.report.compare_figures import draw
from cellcls.report.numbers import count
from cellcls.report.page import Block, Chart, Charts, Commands, Fold, Page, Section, Table, Text, render
from cellcls.report.run_page import REHEARSAL

NAMES = ("comparison.html", "comparison.json", "comparison.png", "intervals.png", "curves.png", "classes.png")
_TONES: dict[str, Literal["good", "bad"]] = {tables.HELD: "good", tables.NOT_HELD: "bad", compare_tables.BEST: "good"}
_CAPTIONS = {
    "intervals.png": "Accuracy of each run with its 95% interval. Blue: the best, and all that may be as good by "
    "chance alone. Grey: clearly apart from the best.",
    "curves.png": "Share of the validation images named right after each epoch, one pass over the training images.",
    "classes.png": "Images of each class before cleaning and after it. Runs with the same counts share a bar.",
}


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write page, figures and ``comparison.json`` into ``folder``; return the page's path.

    A comparison that is there already is only redrawn in the folder of the runs themselves: elsewhere it raises
    ``UsageError``. Raises ``WriteError``.
    """
    taken = [name for name in NAMES if (folder / name).exists()]
    if taken and folder.resolve() != comparison.parent:
        raise UsageError(f"{folder}: has a {taken[0]} already, and is not overwritten", "choose another --out")
    drawn = draw(comparison)
    for name, png in drawn.items():
        files.write_bytes(folder / name, png)
    files.write_json(folder / "comparison.json", to_data(comparison))
    target = folder / "comparison.html"
    files.write_text(target, render(page(comparison, drawn)))
    return target


def page(comparison: Comparison, drawn: Mapping[str, bytes]) -> Page:
    """Compose the page of a comparison from its figures."""
    banners = [REHEARSAL] if comparison.rehearsal else []
    if comparison.unfinished:
        banners.append(("INCOMPLETE", f"not finished, and left out: {', '.join(comparison.unfinished)}."))
    if not comparison.same_data:
        banners.append(("DIFFERENT DATA", "the runs were not given the same images; baselines are those of the best."))
    sections = [
        Section(title="Results", blocks=list(_results(comparison))),
        Section(title="Expected", blocks=list(_expected(comparison))),
        Section(title="Seeds", blocks=list(_seeds(comparison))),
        Section(title="Figures", blocks=list(_figures(drawn))),
        Section(title="Claimed and measured", blocks=list(_claims(comparison))),
        Section(title="The runs", blocks=list(_runs(comparison))),
    ]
    return Page(
        title=comparison.title,
        kind="cellcls comparison",
        verdict=compare_tables.verdict(comparison),
        banners=banners,
        facts=_facts(comparison),
        sections=[section for section in sections if section.blocks],
    )


def _facts(comparison: Comparison) -> dict[str, str]:
    data = comparison.best.record.data
    shared = {"images": count(data.n), "classes": count(len(data.classes)), "data set": data.dataset}
    return {"runs": count(len(comparison.standings)), "sorted by": comparison.by} | (
        shared if comparison.same_data else {}
    )


def _results(comparison: Comparison) -> Iterator[Block]:
    note = " ".join(compare_tables.notes(comparison))
    yield Table(rows=compare_tables.runs(comparison), tones=_TONES, note=note)


def _expected(comparison: Comparison) -> Iterator[Block]:
    if comparison.verdicts:
        yield Text(expect.summary(comparison.verdicts))
        yield Table(rows=expect.rows(comparison.verdicts), tones=_TONES)


def _seeds(comparison: Comparison) -> Iterator[Block]:
    if rows := compare_tables.seeds(comparison):
        yield Table(rows=rows, note="sd: standard deviation over the seeds. All runs share the same test images.")


def _figures(drawn: Mapping[str, bytes]) -> Iterator[Block]:
    shown = [Chart(png=drawn[name], alt=said, caption=said) for name, said in _CAPTIONS.items() if name in drawn]
    if shown:
        yield Charts(charts=shown)


def _claims(comparison: Comparison) -> Iterator[Block]:
    rows = [{"run": one.label} | row for one in comparison.standings for row in tables.claims(one.record)]
    if rows:
        yield Table(rows=rows, tones=_TONES)


def _runs(comparison: Comparison) -> Iterator[Block]:
    yield Text("Each run has a page of its own, `report.html` in its folder.")
    folders = [str(one.record.folder) for one in comparison.standings]
    yield Fold(title="Folders", blocks=[Commands(lines=folders)])
    for one in comparison.standings:
        rows = [{"what": name, "value": value} for name, value in tables.facts(one.record).items()]
        yield Fold(title=one.label, blocks=[Table(rows=rows)])
