"""The figures of a comparison: its table, the curves of all runs, the classes before and after cleaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cellcls.report import compare_tables, figures, style
from cellcls.report.compare import RunComparison, Standing
from cellcls.report.numbers import count, plain, starred
from cellcls.report.read import RunRecord
from cellcls.report.tables import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _LETTER, _PLOT = 0.3, 0.07, 2.9
"""Height of a row, approximate width of a letter and width of the plot in the table figure, in inches."""
_HIDDEN = ("macro F1", "training")
"""Columns of the table that do not fit in the figure."""
_INKS = {compare_tables.RIGHT: style.GOOD, compare_tables.WRONG: style.BAD}
_STYLES = ("-", "--", ":", "-.")
_BEFORE = "all images"


def draw(comparison: RunComparison) -> dict[str, bytes]:
    """Draw all figures that the runs allow; return PNG files by name. The same runs give the same bytes."""
    with style.drawing():
        return dict(_drawn(comparison))


def _drawn(comparison: RunComparison) -> Iterator[tuple[str, bytes]]:
    if comparison.evaluations:
        yield "comparison.png", style.to_png(standings(comparison))
        yield "intervals.png", style.to_png(intervals(comparison))
    if rows := compare_tables.training(comparison):
        yield "training.png", style.to_png(training(rows))
    if any(_curve(standing.record, metric) for standing in comparison.standings for metric in _CURVES):
        yield "curves.png", style.to_png(curves(comparison.standings))
    if ways := drawings(comparison):
        yield "draws.png", style.to_png(draws(ways))
    cleaned = cleanings(comparison)
    if len(cleaned) > 1:
        yield "classes.png", style.to_png(classes(cleaned, comparison.best.record.classes))


# --- the tables -------------------------------------------------------------------------------------------------


def standings(comparison: RunComparison) -> Figure:
    """Draw the accuracy of each run with its 95% interval next to the rest of the table.

    Positions are in inches, as constrained layout does not separate columns of text.
    """
    rows = [{key: cell for key, cell in row.items() if key not in _HIDDEN} for row in compare_tables.runs(comparison)]
    names = [style.shorten(row.pop("run"), 30) for row in rows]
    left = 0.3 + 1.2 * _LETTER * max(map(len, names))
    figure, axes = _beside_columns(rows, left, _PLOT)
    _intervals(axes, comparison.standings, comparison.evaluations[0])
    axes.set_yticks(range(len(rows)), names)
    return figure


def training(rows: Sequence[Row]) -> Figure:
    """Draw the table of training metrics, claimed and measured."""
    figure, axes = _beside_columns(rows, 0.05, 0.01)
    axes.set_axis_off()
    return figure


def _beside_columns(rows: Sequence[Row], left: float, plot: float) -> tuple[Figure, Axes]:
    """Return a figure with a table of ``rows``, and axes ``plot`` inches wide to the left of it."""
    widths = {key: _LETTER * (3 + max(len(key), *(len(row[key]) for row in rows))) for key in rows[0]}
    width, height = left + plot + 0.3 + sum(widths.values()), _ROW * len(rows)
    figure = Figure(figsize=(width, height + 0.9), dpi=style.DPI)
    axes = figure.add_axes((left / width, 0.4 / (height + 0.9), plot / width, height / (height + 0.9)))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    place = 1 + 0.3 / plot
    for key, wide in widths.items():
        _column(axes, key, [row[key] for row in rows], place)
        place += wide / plot
    return figure, axes


def intervals(comparison: RunComparison) -> Figure:
    """Draw the accuracy of each run with its 95% interval, without the table."""
    figure, axes = style.new_figure(max(2.2, 0.8 + _ROW * len(comparison.standings)))
    _intervals(axes, comparison.standings, comparison.evaluations[0])
    names = [style.shorten(standing.label, 30) for standing in comparison.standings]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    return figure


def _intervals(axes: Axes, shown: Sequence[Standing], name: str) -> None:
    for row, standing in enumerate(shown):
        found = standing.record.metrics.evaluations.get(name)
        if found is None:
            continue
        accuracy = found.accuracy
        low, high = found.intervals.get("accuracy", (accuracy, accuracy))
        colour = style.DROPPED if standing.is_noise is False else style.TRAIN
        axes.plot((low, high), (row, row), color=colour, linewidth=5, alpha=0.6, solid_capstyle="round")
        axes.plot(accuracy, row, "o", color=colour, markersize=8, markeredgecolor=style.INK, markeredgewidth=0.8)
    axes.set_title(f"{starred(name)} accuracy, 95% interval", fontsize=9)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.xaxis.set_major_formatter(lambda value, _position: f"{100 * value:.4g}%")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _column(axes: Axes, heading: str, cells: Sequence[str], left: float) -> None:
    """Write a column at ``left``, in units of the axes' width."""
    place = axes.get_yaxis_transform()
    axes.text(left, -0.65, heading, transform=place, color=style.FAINT, fontsize=8, va="bottom")
    for row, cell in enumerate(cells):
        axes.text(left, row, cell, transform=place, fontsize=8, va="center", color=_INKS.get(cell[-1:], style.INK))


# --- curves -----------------------------------------------------------------------------------------------------


_CURVES = {"val.accuracy": "val accuracy", "val.loss": "val loss", "train.loss": "train loss, running"}
"""Metrics of an epoch that are drawn, one panel per metric."""


def curves(shown: Sequence[Standing]) -> Figure:
    """Draw accuracy and loss after each epoch: a panel per metric, a line per run, the best run first in the legend."""
    metrics = [metric for metric in _CURVES if any(_curve(standing.record, metric) for standing in shown)]
    known = [standing for standing in shown if any(_curve(standing.record, metric) for metric in metrics)]
    figure, panels = style.new_panels(1.1 + 1.7 * len(metrics) + 0.18 * (len(known) // 3), len(metrics))
    longest = max(len(standing.record.history) for standing in known)
    for axes, metric in zip(panels, metrics, strict=True):
        for number, standing in enumerate(known):
            if line := _curve(standing.record, metric):
                _line(axes, number, line, style.shorten(standing.label, 24), marked=longest <= 20)
        axes.set_ylabel(_CURVES[metric])
        axes.grid(True, axis="y")
        if metric.endswith("accuracy"):
            axes.yaxis.set_major_formatter(lambda value, _position: f"{100 * value:.4g}%")
    figures.epoch_axis(panels[-1], longest)
    figure.legend(*_unique_handles(panels), loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _line(axes: Axes, number: int, line: Sequence[float], label: str, *, marked: bool) -> None:
    colour = style.class_colour(number)
    dashes = _STYLES[number // len(style.CLASS_COLOURS) % len(_STYLES)]
    epochs = range(1, len(line) + 1)
    axes.plot(epochs, line, color=colour, linestyle=dashes, marker="o" if marked else "", markersize=3.5, label=label)


def _unique_handles(panels: Sequence[Axes]) -> tuple[list[Any], list[str]]:
    """Return the legend handles and labels of all panels, each label once."""
    found = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    return list(found.values()), list(found)


def _curve(record: RunRecord, metric: str) -> list[float]:
    """Return the metric after each epoch (NaN where it was not measured), or an empty list if it never was."""
    found = [epoch.metrics.get(metric) for epoch in record.history]
    if all(value is None for value in found):
        return []
    return [np.nan if value is None else value for value in found]


# --- draws ------------------------------------------------------------------------------------------------------

MOST_PANELS = 6
"""Maximum number of panels in the figure of draws."""


def drawings(comparison: RunComparison) -> Mapping[str, RunRecord]:
    """Return the distinct ways in which epochs sampled the classes: the joined names of the runs that share one, and
    the longest of these runs. Empty if no run makes copies."""
    ways: dict[Any, list[Standing]] = {}
    for standing in comparison.standings:
        epochs = {tuple(map(tuple, (epoch.drawn.items(), epoch.copies.items()))) for epoch in standing.record.history}
        if epochs:
            ways.setdefault((standing.record.classes, frozenset(epochs)), []).append(standing)
    if not any(figures.expanded(standing.record.history) for standing in comparison.standings):
        return {}
    return {
        ", ".join(dict.fromkeys(standing.name for standing in alike)): max(
            alike, key=lambda standing: len(standing.record.history)
        ).record
        for alike in list(ways.values())[:MOST_PANELS]
    }


def draws(ways: Mapping[str, RunRecord]) -> Figure:
    """Draw the samples of each class epoch by epoch, one panel per way of sampling; the pale parts are copies."""
    figure, panels = style.new_panels(1.1 + 1.8 * len(ways), len(ways))
    for axes, (name, record) in zip(panels, ways.items(), strict=True):
        figures.stack_draws(axes, record.history, record.classes)
        axes.set_title(style.shorten(name, 60), fontsize=9)
    top = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(0, top)
    figures.epoch_axis(panels[-1], max(len(record.history) for record in ways.values()))
    figure.legend(*_unique_handles(panels), loc="outside lower center", ncols=4, fontsize=8)
    return figure


# --- classes ----------------------------------------------------------------------------------------------------


def cleanings(comparison: RunComparison) -> Mapping[str, Mapping[str, int]]:
    """Return the images of each class before and after each kind of cleaning; empty if the data sets differ."""
    if not comparison.same_data:
        return {}
    found = {_BEFORE: comparison.best.record.data.counts.get("before", {})}
    for standing in comparison.standings:
        after = standing.record.data.counts.get("after", {})
        if after and after not in found.values():
            found[standing.name] = after
    return found if found[_BEFORE] else {}


def classes(cleaned: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> Figure:
    """Draw the images of each class before and after cleaning, one bar per kind of cleaning."""
    figure, axes = style.new_figure(0.8 + len(names) * (0.16 + 0.15 * len(cleaned)))
    thick = 0.8 / len(cleaned)
    for number, (name, counts) in enumerate(cleaned.items()):
        colour = (style.DROPPED, style.TRAIN, *style.OTHERS)[number % (2 + len(style.OTHERS))]
        places = np.arange(len(names)) - 0.4 + thick * (number + 0.5)
        sizes = [counts.get(class_name, 0) for class_name in names]
        label = style.shorten(name if name == _BEFORE else f"after cleaning: {name}", 34)
        axes.barh(places, sizes, 0.92 * thick, color=colour, label=label)
        for place, size in zip(places, sizes, strict=True):
            axes.text(size, place, f" {count(size)}", va="center", color=style.FAINT, fontsize=7)
    axes.set_yticks(range(len(names)), [style.shorten(plain(name), 22) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.grid(True, axis="x")
    axes.spines["left"].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure
