"""The page of a comparison, and the writing of all its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from cellcls.errors import UsageError
from cellcls.ops.storage import files
from cellcls.report import compare_tables, expect, tables
from cellcls.report.compare import Comparison, to_data
from cellcls.report.compare_figures import draw
from cellcls.report.numbers import count
from cellcls.report.page import Block, Chart, Charts, Commands, Fold, Page, Section, Table, Text, render
from cellcls.report.run_page import REHEARSAL

_FIGURES = ("comparison.png", "intervals.png", "training.png", "curves.png", "draws.png", "classes.png")
NAMES = ("comparison.html", "comparison.json", *_FIGURES)
_TONES: dict[str, Literal["good", "bad"]] = {tables.HELD: "good", tables.NOT_HELD: "bad", compare_tables.BEST: "good"}
_CAPTIONS = {
    "intervals.png": "Accuracy of each run with its 95% interval. Blue: the best, and all that may be as good by "
    "chance alone. Grey: clearly apart from the best.",
    "classes.png": "Images of each class before cleaning and after it. Runs with the same counts share a bar.",
    "curves.png": "Accuracy and loss on the validation images after each epoch, one pass over the training images, and "
    "the mean loss while training in it.",
    "draws.png": "Samples of each class that the steps of each epoch took, stacked; the pale parts are copies. Runs "
    "that drew alike share a panel. Level edges: every epoch drew the classes alike.",
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
        Section(title="Training", blocks=list(_training(comparison))),
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


def _training(comparison: Comparison) -> Iterator[Block]:
    if rows := compare_tables.training(comparison):
        yield Table(rows=rows, tones=_marks(rows), note=compare_tables.TRAINING_NOTE)


def _marks(rows: Sequence[Mapping[str, str]]) -> dict[str, Literal["good", "bad"]]:
    """Return the tone of each cell that has a mark."""
    tones: dict[str, Literal["good", "bad"]] = {compare_tables.RIGHT: "good", compare_tables.WRONG: "bad"}
    return {cell: tones[cell[-1]] for row in rows for cell in row.values() if cell[-1:] in tones}


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
