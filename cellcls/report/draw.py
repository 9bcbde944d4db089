"""Draws the figures that the files of a run allow, each as a PNG by its name under ``figures/``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from cellcls.report import figures, heat, pictures, style, tables
from cellcls.report.mosaic import mosaic
from cellcls.report.numbers import starred
from cellcls.report.pictures import Group, MapPairs, Pictures, Tile
from cellcls.report.read import RunRecord
from cellcls.runs.records import DepthsRecord, EvaluationRecord

EXAMPLES_PER_PAIR = 6
LARGEST_BATCH = 24
"""Maximum number of training images shown."""


def file_name(kind: str, name: str) -> str:
    """Return a figure's file name; characters not allowed in one become ``_``."""
    safe = re.sub(r"[^\w.-]+", "_", name)
    return f"{kind}_{safe}.png"


def draw(record: RunRecord) -> dict[str, bytes]:
    """Draw the figures of a run; return PNG files by name. The same record gives the same bytes."""
    with style.drawing():
        return dict(_drawn(record))


def _drawn(record: RunRecord) -> Iterator[tuple[str, bytes]]:
    if record.history:
        yield "curves.png", style.to_png(figures.curves(record.history))
    if figures.expanded(record.history):
        yield "draws.png", style.to_png(figures.draws(record.history, record.classes))
    if record.data.counts.get("before"):
        classes = record.classes or tuple(record.data.counts["before"])
        yield "classes.png", style.to_png(figures.class_counts(record.data.counts, classes))
    headline = record.headline()
    if headline and headline[1].per_class:
        name, shown = headline
        chart = figures.per_class(shown.per_class, shown.classes, f"Recall of each class, {starred(name)}")
        yield "per_class.png", style.to_png(chart)
    for name, shown in record.metrics.evaluations.items():
        chart = figures.confusion(shown.confusion, shown.classes, f"Confusion matrix, {starred(name)}")
        yield file_name("confusion", name), style.to_png(chart)
    if any(shown.reliability for shown in record.metrics.evaluations.values()):
        yield "sureness.png", style.to_png(figures.sureness(record.metrics.evaluations))
    yield from _mosaics(record)


def _mosaics(record: RunRecord) -> Iterator[tuple[str, bytes]]:
    for name, shown in record.metrics.evaluations.items():
        groups = confused_groups(record, name, shown)
        if groups:
            yield file_name("confused", name), style.to_png(mosaic(groups))
    for name, compared in record.depths.items():
        yield file_name("depths", name), style.to_png(heat.depths(compared))
    for name, maps in record.map_pairs.items():
        yield file_name("compared", name), style.to_png(heat.pairs(record.depths[name], maps, record.classes))
    for name in record.explained:
        yield file_name("heatmaps", name), style.to_png(mosaic(heatmap_groups(record, name)))
    if record.train_batch is not None:
        yield "train_batch.png", style.to_png(mosaic(batch_groups(record)))
    if record.augmented is not None:
        yield "augmented.png", style.to_png(mosaic(augmented_groups(record)))


def confused_groups(record: RunRecord, name: str, shown: EvaluationRecord) -> list[Group]:
    """Group the examples of an evaluation by the pairs of classes confused most often; a bar shows how often."""
    pairs = tables.confusions(shown)
    groups = [
        Group(title=pair.sentence(shown.classes), tiles=_examples(record, name, pair), share=pair.n / pairs[0].n)
        for pair in pairs
    ]
    others = _other_examples(record, name, pairs)
    return [*groups, Group(title="Other mistakes", tiles=others)] if others else groups


def _examples(record: RunRecord, name: str, pair: tables.Confusion) -> tuple[Tile, ...]:
    found = record.examples.get(name)
    if found is None or found.predicted is None:
        return ()
    wanted = np.flatnonzero((found.label == pair.given) & (found.predicted == pair.predicted))
    return pictures.confidence_tiles(found.take(wanted[:EXAMPLES_PER_PAIR]))


def _other_examples(record: RunRecord, name: str, pairs: Sequence[tables.Confusion]) -> tuple[Tile, ...]:
    found = record.examples.get(name)
    if found is None or found.predicted is None:
        return ()
    shown = {(pair.given, pair.predicted) for pair in pairs}
    found_pairs = zip(found.label.tolist(), found.predicted.tolist(), strict=True)
    others = np.array([at for at, pair in enumerate(found_pairs) if pair not in shown], dtype=np.intp)
    return pictures.prediction_tiles(found.take(others[:EXAMPLES_PER_PAIR]), record.classes)


def heatmap_groups(record: RunRecord, name: str) -> Sequence[Group]:
    """Return the heat maps of an explanation: each image next to the same image with its map on top."""
    return [Group(tiles=pictures.prediction_tiles(record.explained[name], record.classes))]


def draw_depths(compared: DepthsRecord) -> bytes:
    """Return the figure of a comparison by depth as a PNG file."""
    with style.drawing():
        return style.to_png(heat.depths(compared))


def draw_map_pairs(compared: DepthsRecord, maps: MapPairs, classes: Sequence[str]) -> bytes:
    """Return the figure of two networks' heat maps side by side as a PNG file."""
    with style.drawing():
        return style.to_png(heat.pairs(compared, maps, classes))


def draw_heat_maps(maps: Pictures, classes: Sequence[str]) -> bytes:
    """Return the figure of heat maps as a PNG file."""
    with style.drawing():
        return style.to_png(mosaic([Group(tiles=pictures.prediction_tiles(maps, classes))]))


def batch_groups(record: RunRecord) -> Sequence[Group]:
    """Return the first training images as the network saw them."""
    if record.train_batch is None:
        return []
    return [Group(tiles=pictures.label_tiles(record.train_batch.take(slice(LARGEST_BATCH)), record.classes))]


def augmented_groups(record: RunRecord) -> Sequence[Group]:
    """Return one group per class: original images, each followed by its augmented versions."""
    found = record.augmented
    if found is None:
        return []
    return [
        Group(
            title=pictures.class_name(record.classes, int(label)),
            tiles=pictures.draw_tiles(found.take(np.flatnonzero(found.label == label))),
        )
        for label in np.unique(found.label)
    ]
