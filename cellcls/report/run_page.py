"""The report of a run: what was measured, what was claimed, and everything needed to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cellcls.ops.storage import files
from cellcls.report import draw, expect, tables
from cellcls.report.numbers import count, duration, is_remote, percent, plain, starred
from cellcls.report.page import (
    Block,
    Chart,
    Charts,
    CodeBlock,
    Fold,
    Gallery,
    Page,
    Paragraph,
    Section,
    TableBlock,
    render,
)
from cellcls.report.read import RunRecord, read_run
from cellcls.report.style import class_colour
from cellcls.runs.plan import read_plan
from cellcls.runs.records import EvaluationRecord

PARTS = {"train": "training", "val": "validation", "test": "test"}

REHEARSAL = (
    "REHEARSAL",
    "random weights and rendered cells: shows that the recipe works, nothing about real cells.",
)


def write_run(run: Path) -> Path:
    """Implement ``cellcls.report.write``."""
    record = read_run(run)
    drawn = draw.draw(record)
    for name, png in drawn.items():
        files.write_bytes(run / "figures" / name, png)
    target = run / "report.html"
    files.write_text(target, render(run_page(record, drawn)))
    return target


def run_page(record: RunRecord, drawn: Mapping[str, bytes]) -> Page:
    """Compose the page of a run from its record and its figures."""
    banners = [REHEARSAL] if record.metrics.rehearsal else []
    if not record.metrics.complete:
        banners.append(("INCOMPLETE", f"this run is not finished; to resume it: `{_resume(record)}`."))
    banners += [("WARNING", f"{warning}.") for warning in record.metrics.warnings]
    sections = [
        Section(title="Claimed and measured", blocks=list(_claims(record))),
        Section(title="Expected", blocks=list(_expected(record))),
        Section(title="Evaluations", blocks=list(_evaluations(record))),
        Section(title="Classes", blocks=list(_classes(record))),
        Section(title="Figures", blocks=list(_figures(record, drawn))),
        Section(title="Data", blocks=list(_data(record))),
        Section(title="Training", blocks=list(_training(record))),
        Section(title="Environment", blocks=list(_environment(record))),
        Section(title="Repeat it", blocks=list(_repeat(record))),
    ]
    return Page(
        title=record.name,
        kind="cellcls run",
        verdict=verdict(record),
        banners=banners,
        facts=tables.facts(record),
        sections=[section for section in sections if section.blocks],
    )


def verdict(record: RunRecord) -> str:
    """Return one sentence on how good the run is, for a reader who knows nothing about it."""
    headline = record.headline()
    if headline is None:
        return _progress(record)
    name, shown = headline
    interval = ""
    if "accuracy" in shown.intervals:
        low, high = shown.intervals["accuracy"]
        interval = f" (95% interval: {100 * low:.1f}% to {100 * high:.1f}%)"
    unseen = "" if shown.part == "train" else ", none of which it was trained on"
    rendered = "rendered " if record.metrics.rehearsal else ""
    images = f"{count(shown.n)} {rendered}{PARTS.get(shown.part, shown.part)} images"
    which = "" if name == shown.part else f", evaluation {starred(name)}"
    return f"The network classified {percent(shown.values['accuracy'])} of {images} correctly{unseen}{interval}{which}."


def _progress(record: RunRecord) -> str:
    if not record.history:
        return "Nothing has been measured yet: no epoch is complete."
    known = [epoch.metrics.get("val.accuracy") for epoch in record.history]
    best = max((value for value in known if value is not None), default=None)
    so_far = "" if best is None else f"; the best accuracy on the validation images so far is {percent(best)}"
    epochs = "1 epoch" if len(known) == 1 else f"{len(known)} epochs"
    return f"Nothing has been evaluated yet after {epochs}{so_far}."


# --- results ----------------------------------------------------------------------------------------------------


def _claims(record: RunRecord) -> Iterator[Block]:
    rows = tables.claims(record)
    if not rows:
        return
    held = sum(row["verdict"] == tables.HELD for row in rows)
    checked = sum(row["verdict"] != tables.NOT_CHECKED for row in rows)
    yield Paragraph(f"{held} of {checked} claims held." if checked else "No claim was checked in this run.")
    yield TableBlock(rows=rows, tones={tables.HELD: "good", tables.NOT_HELD: "bad"})


def _expected(record: RunRecord) -> Iterator[Block]:
    """Show what the recipe file expects of the evaluations of this run."""
    verdicts = expect.check_expectations(read_plan(record.folder), {".": record}) if record.metrics.complete else ()
    if verdicts:
        yield Paragraph(expect.summary(verdicts))
        yield TableBlock(rows=expect.rows(verdicts), tones={tables.HELD: "good", tables.NOT_HELD: "bad"})


def _evaluations(record: RunRecord) -> Iterator[Block]:
    rows = tables.summary(record)
    if not rows:
        return
    note = "In brackets: 95% intervals. Balanced accuracy and macro F1 give every class the same weight, however rare."
    remote = any(is_remote(name) for name in record.metrics.evaluations)
    yield TableBlock(rows=rows, note=f"{note} {tables.REMOTE_NOTE}." if remote else note)
    yield from _conditions(record)


def _conditions(record: RunRecord) -> Iterator[Block]:
    """Show the corruptions and views of each evaluation."""
    for name, shown in record.metrics.evaluations.items():
        for title, rows in (("corruptions", tables.corruptions(shown)), ("views", tables.views(shown))):
            if rows:
                yield Fold(title=f"{starred(name)}: {title}", blocks=[TableBlock(rows=rows)])


def _classes(record: RunRecord) -> Iterator[Block]:
    headline = record.headline()
    if headline is None:
        return
    name, shown = headline
    if rows := tables.per_class(shown):
        note = "Recall: share of a class's images that are found. Precision: share of its predictions that are correct."
        yield Paragraph(f"Evaluation: {starred(name)}.")
        yield TableBlock(rows=rows, dots=_dots(shown), note=note)
    for other_name, found in record.metrics.evaluations.items():
        if other_name != name and found.per_class:
            yield Fold(title=starred(other_name), blocks=[TableBlock(rows=tables.per_class(found), dots=_dots(found))])


def _dots(shown: EvaluationRecord) -> dict[str, str]:
    return {plain(name): class_colour(label) for label, name in enumerate(shown.classes)}


# --- figures ----------------------------------------------------------------------------------------------------

_CAPTIONS = {
    "curves": "Loss (lower is better) and accuracy (share classified correctly) after each epoch, one pass over the "
    "training images. If training accuracy keeps rising and validation accuracy does not, the network overfits. "
    "Dashed lines separate the stages; the ring marks the epoch whose weights were kept.",
    "draws": "Samples of each class in each epoch, stacked; the pale parts are the copies that [expand] makes. Level "
    "edges: every epoch sampled the classes alike.",
    "per_class": "Share of each class's images that was classified correctly. The bar is the 95% interval: with few "
    "images it is wide. The dashed line is the mean over the classes.",
    "sureness": "Above: how often predictions are right, by the probability they gave, in bins of equally many "
    "images; below the dashed line they are surer than they should be. Below: the share of errors among the "
    "surest predictions.",
    "classes": "Images of each class by part, and how many were dropped by cleaning. The number is how many were kept.",
    "depths": "Two networks compared layer by layer, from shallow to deep. Above: the similarity of their heat maps; "
    "the dashed line is the threshold for calling them the same. Below: the share of heat on the cell; the dashed line "
    "is what evenly spread heat would give. The vertical line is the first layer where they differ: all before its "
    "block may stay frozen. From the dotted one on they stay different; if the two lines are far from each other, the "
    "first may be noise, as the maps of shallow layers are noisy.",
    "compared": "Heat maps of both networks for the same cells, from shallow to deep layers: green to yellow marks "
    "what speaks for the given class, whatever the network predicted. ✗ marks a network's mistakes.",
    "confusion": "Each row is a given class, each column a predicted one: the diagonal is correct, everything else is "
    "a mistake. Below each count is its share of the row.",
}
_CONFUSED = "The pairs of classes confused most often."
_SUREST = " The images are the mistakes with the highest confidence."
_HEATMAPS = (
    "Each cell, and next to it its heat map: green to yellow marks what contributed most to the prediction. The heat "
    "should lie on the cell, not on the background. ✓ correct, ✗ wrong."
)
_BATCH = "Training images as the network saw them, after augmentation: each should still show its class."
_AUGMENTED = (
    "Original images of each class, each followed by augmented versions of it: every draw should still show its class. "
)
_COPIES = "Training sees the originals unchanged beside their copies."
_ANEW = "Training sees only the draws, a new one each epoch."


def _figures(record: RunRecord, drawn: Mapping[str, bytes]) -> Iterator[Block]:
    headline = record.headline()
    first = headline[0] if headline else None
    charts = [_chart(drawn, kind, f"{kind}.png") for kind in ("curves", "per_class", "classes", "draws", "sureness")]
    if first is not None:
        charts.insert(1, _chart(drawn, "confusion", draw.file_name("confusion", first)))
    if found := [chart for chart in charts if chart is not None]:
        yield Charts(charts=found)
    if headline:
        yield from _confused(record, *headline)
    for name in record.depths:
        charts = [_chart(drawn, kind, draw.file_name(kind, name)) for kind in ("compared", "depths")]
        yield from (Charts(charts=[chart]) for chart in charts if chart is not None)
    for name, explained in record.explained.items():
        layer = f" Layer: {explained.layer}." if explained.layer else ""
        title, groups = f"Where it looked: {plain(name)}", draw.heatmap_groups(record, name)
        yield Gallery(title=title, groups=groups, caption=_HEATMAPS + layer)
    if rows := tables.explanations(record):
        yield TableBlock(rows=rows)
    if record.augmented is not None:
        copied = record.augmented.copy is not None and record.augmented.copy.any()
        caption = _AUGMENTED + (_COPIES if copied else _ANEW)
        yield Gallery(title="Augmented samples", groups=draw.augmented_groups(record), caption=caption)
    if record.train_batch is not None:
        yield Gallery(title="What the network saw", groups=draw.batch_groups(record), caption=_BATCH)
    for name, shown in record.metrics.evaluations.items():
        if name != first:
            yield Fold(title=f"Mistakes on {starred(name)}", blocks=list(_mistakes(record, name, shown, drawn)))


def _mistakes(record: RunRecord, name: str, shown: EvaluationRecord, drawn: Mapping[str, bytes]) -> Iterator[Block]:
    chart = _chart(drawn, "confusion", draw.file_name("confusion", name))
    if chart is not None:
        yield Charts(charts=[chart])
    yield from _confused(record, name, shown)


def _confused(record: RunRecord, name: str, shown: EvaluationRecord) -> Iterator[Block]:
    groups = draw.confused_groups(record, name, shown)
    if groups:
        caption = _CONFUSED + (_SUREST if name in record.examples else "")
        yield Gallery(title=f"Most frequent confusions on {starred(name)}", groups=groups, caption=caption)
    elif shown.n:
        yield Paragraph(f"No mistakes on {starred(name)}.")


def _chart(drawn: Mapping[str, bytes], kind: str, name: str) -> Chart | None:
    if name not in drawn:
        return None
    return Chart(png=drawn[name], alt=_CAPTIONS[kind], caption=_CAPTIONS[kind], photos=kind == "compared")


# --- data, training, environment ---------------------------------------------------------------------------------


def _data(record: RunRecord) -> Iterator[Block]:
    data = record.data
    if not data.counts:
        return
    sums = {name: sum(of.values()) for name, of in data.counts.items()}
    parts = ", ".join(f"{count(sums[part])} for {PARTS[part]}" for part in PARTS if part in sums)
    kept = sums.get("after", sum(sums.get(part, 0) for part in PARTS))
    named = f" of data set {data.dataset}" if data.dataset else ""
    yield Paragraph(f"{count(kept)} of {count(data.n)} images{named} were used: {parts}.")
    if rows := tables.dropped(data):
        yield TableBlock(rows=rows)
        yield Fold(title="First dropped images, with reasons", blocks=[TableBlock(rows=tables.reasons(data))])
    else:
        yield Paragraph("No image was dropped.")
    if rows := tables.skipped(data):
        yield TableBlock(rows=rows, note="Files in the folder of the data set that are none of its images.")
    if data.hash:
        yield Fold(title="Hash of the data", blocks=[CodeBlock(lines=[data.hash])])


def _training(record: RunRecord) -> Iterator[Block]:
    epochs = record.history
    if not epochs:
        return
    stages: dict[str, int] = {}
    for epoch in epochs:
        stages[plain(epoch.stage_name)] = stages.get(plain(epoch.stage_name), 0) + 1
    lasted = ", ".join(f"{name} ({n} epoch{'s' if n > 1 else ''})" for name, n in stages.items())
    yield Paragraph(f"Stages: {lasted}. {duration(sum(epoch.seconds for epoch in epochs))} of training.")
    yield Fold(title="Every epoch", blocks=[TableBlock(rows=tables.history(epochs), tones={"best": "good"})])


def _environment(record: RunRecord) -> Iterator[Block]:
    if rows := tables.environment(record):
        yield Fold(title="Versions, device, threads", blocks=[TableBlock(rows=rows)])


def _repeat(record: RunRecord) -> Sequence[Block]:
    run = shlex.quote(record.folder.name)
    recipe = shlex.quote(f"{record.folder.name}/recipe.toml")
    return [
        Paragraph("Run these in the folder that contains this run; use `--data PATH` if the data are not found."),
        CodeBlock(lines=[f"cellcls run {recipe}", f"cellcls evaluate {run} --data PATH"]),
        Fold(title="The recipe, every setting filled in", blocks=[CodeBlock(lines=record.recipe.splitlines())]),
    ]


def _resume(record: RunRecord) -> str:
    return f"cellcls run --resume {shlex.quote(record.folder.name)}"
