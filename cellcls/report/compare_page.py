"""Writes the page of a comparison and all its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from cellcls.errors import UsageError
from cellcls.ops.storage import files
from cellcls.report import compare_tables, expect, folds, tables
from cellcls.report.compare import RunComparison, to_data
from cellcls.report.compare_figures import draw
from cellcls.report.numbers import count
from cellcls.report.page import Block, Chart, Charts, CodeBlock, Fold, Page, Paragraph, Section, TableBlock, render
from cellcls.report.run_page import REHEARSAL

_FIGURES = ("comparison.png", "intervals.png", "training.png", "curves.png", "draws.png", "classes.png")
NAMES = ("comparison.html", "comparison.json", folds.FILE, *_FIGURES)
_TONES: dict[str, Literal["good", "bad"]] = {tables.HELD: "good", tables.NOT_HELD: "bad", compare_tables.BEST: "good"}
_CAPTIONS = {
    "intervals.png": "Accuracy of each run with its 95% interval. Blue: the best run, and those whose difference to it "
    "may be chance. Grey: clearly different from the best.",
    "classes.png": "Images of each class before and after cleaning. Runs with the same counts share a bar.",
    "curves.png": "Accuracy and loss on the validation images after each epoch, one pass over the training images, and "
    "the mean loss while training in it.",
    "draws.png": "Samples of each class in each epoch, stacked; the pale parts are copies. Runs "
    "with the same sampling share a panel. Level edges: every epoch sampled the classes alike.",
}


def write_comparison(comparison: RunComparison, folder: Path) -> Path:
    """Write page, figures and ``comparison.json`` into ``folder``; return the page's path.

    An existing comparison is overwritten only in the folder of the runs themselves; elsewhere this raises
    ``UsageError``. Raises ``WriteError`` if the folder cannot be written.
    """
    taken = [name for name in NAMES if (folder / name).exists()]
    if taken and folder.resolve() != comparison.parent:
        raise UsageError(f"{folder}: already contains {taken[0]}, which is not overwritten", "choose another --out")
    drawn = draw(comparison)
    for name, png in drawn.items():
        files.write_bytes(folder / name, png)
    files.write_json(folder / "comparison.json", to_data(comparison))
    if validated := folds.cross_validations(comparison):
        files.write_text(folder / folds.FILE, folds.out_of_fold(validated))
    target = folder / "comparison.html"
    files.write_text(target, render(page(comparison, drawn)))
    return target


def page(comparison: RunComparison, drawn: Mapping[str, bytes]) -> Page:
    """Compose the page of a comparison from its figures."""
    banners = [REHEARSAL] if comparison.rehearsal else []
    if comparison.unfinished:
        banners.append(("INCOMPLETE", f"unfinished runs are left out: {', '.join(comparison.unfinished)}."))
    if not comparison.same_data:
        banners.append(
            ("DIFFERENT DATA", "the runs used different data sets; the baselines are those of the best run.")
        )
    sections = [
        Section(title="Results", blocks=list(_results(comparison))),
        Section(title="Expected", blocks=list(_expected(comparison))),
        Section(title="Training", blocks=list(_training(comparison))),
        Section(title="Cross-validation", blocks=list(_folds(comparison))),
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


def _facts(comparison: RunComparison) -> dict[str, str]:
    data = comparison.best.record.data
    shared = {"images": count(data.n), "classes": count(len(data.classes)), "data set": data.dataset}
    return {"runs": count(len(comparison.standings)), "sorted by": comparison.by} | (
        shared if comparison.same_data else {}
    )


def _results(comparison: RunComparison) -> Iterator[Block]:
    note = " ".join(compare_tables.notes(comparison))
    yield TableBlock(rows=compare_tables.runs(comparison), tones=_TONES, note=note)


def _expected(comparison: RunComparison) -> Iterator[Block]:
    if comparison.verdicts:
        yield Paragraph(expect.summary(comparison.verdicts))
        yield TableBlock(rows=expect.rows(comparison.verdicts), tones=_TONES)


def _training(comparison: RunComparison) -> Iterator[Block]:
    if rows := compare_tables.training(comparison):
        yield TableBlock(rows=rows, tones=_marks(rows), note=compare_tables.TRAINING_NOTE)


def _marks(rows: Sequence[Mapping[str, str]]) -> dict[str, Literal["good", "bad"]]:
    """Return the tone of each cell with a mark."""
    tones: dict[str, Literal["good", "bad"]] = {compare_tables.RIGHT: "good", compare_tables.WRONG: "bad"}
    return {cell: tones[cell[-1]] for row in rows for cell in row.values() if cell[-1:] in tones}


def _folds(comparison: RunComparison) -> Iterator[Block]:
    if rows := folds.rows(comparison):
        yield TableBlock(rows=rows, note=f"{folds.NOTE} Predictions: {folds.FILE}.")


def _seeds(comparison: RunComparison) -> Iterator[Block]:
    if rows := compare_tables.seeds(comparison):
        yield TableBlock(
            rows=rows,
            note="sd: standard deviation over the seeds, which share their test images, or the folds, which do not.",
        )


def _figures(drawn: Mapping[str, bytes]) -> Iterator[Block]:
    shown = [
        Chart(png=drawn[name], alt=caption, caption=caption) for name, caption in _CAPTIONS.items() if name in drawn
    ]
    if shown:
        yield Charts(charts=shown)


def _claims(comparison: RunComparison) -> Iterator[Block]:
    rows = [
        {"run": standing.label} | row for standing in comparison.standings for row in tables.claims(standing.record)
    ]
    if rows:
        yield TableBlock(rows=rows, tones=_TONES)


def _runs(comparison: RunComparison) -> Iterator[Block]:
    yield Paragraph("Each run has its own page, `report.html` in its folder.")
    folders = [str(standing.record.folder) for standing in comparison.standings]
    yield Fold(title="Folders", blocks=[CodeBlock(lines=folders)])
    for standing in comparison.standings:
        rows = [{"what": name, "value": value} for name, value in tables.facts(standing.record).items()]
        yield Fold(title=standing.label, blocks=[TableBlock(rows=rows)])
