"""The figures of a comparison: its table, the curves of all runs, the classes before and after cleaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cellcls.report import compare_tables, style
from cellcls.report.compare import Comparison, Standing
from cellcls.report.numbers import count, plain, starred
from cellcls.report.read import RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _LETTER, _PLOT = 0.3, 0.07, 2.9
"""Inches of a row, of a letter (about) and of the plot in the figure of the table."""
_HIDDEN = ("run", "macro F1", "training")
"""Columns of the table that the figure has no room for."""
_STYLES = ("-", "--", ":", "-.")
_BEFORE = "all images"


def draw(comparison: Comparison) -> dict[str, bytes]:
    """Draw all that the runs allow; return PNG files by name. The same runs give the same bytes."""
    with style.drawing():
        return dict(_drawn(comparison))


def _drawn(comparison: Comparison) -> Iterator[tuple[str, bytes]]:
    if comparison.evaluations:
        yield "comparison.png", style.to_png(standings(comparison))
        yield "intervals.png", style.to_png(intervals(comparison))
    if any(_curve(one.record) for one in comparison.standings):
        yield "curves.png", style.to_png(curves(comparison.standings))
    cleaned = cleanings(comparison)
    if len(cleaned) > 1:
        yield "classes.png", style.to_png(classes(cleaned, comparison.best.record.classes))


# --- the table --------------------------------------------------------------------------------------------------


def standings(comparison: Comparison) -> Figure:
    """Draw the accuracy of each run with its 95% interval, and beside it the rest of the table.

    Places are in inches, as constrained layout does not part columns of text.
    """
    name = comparison.evaluations[0]
    rows = compare_tables.runs(comparison)
    columns = [key for key in rows[0] if key not in _HIDDEN]
    widths = [_LETTER * (3 + max(len(key), *(len(row[key]) for row in rows))) for key in columns]
    names = [style.shorten(row["run"], 30) for row in rows]
    left, height = 0.3 + 1.2 * _LETTER * max(map(len, names)), _ROW * len(rows)
    width = left + _PLOT + 0.3 + sum(widths)
    figure = Figure(figsize=(width, height + 0.9), dpi=style.DPI)
    axes = figure.add_axes((left / width, 0.4 / (height + 0.9), _PLOT / width, height / (height + 0.9)))
    _intervals(axes, comparison.standings, name)
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    place = 1 + 0.3 / _PLOT
    for key, wide in zip(columns, widths, strict=True):
        _column(axes, key, [row[key] for row in rows], place)
        place += wide / _PLOT
    return figure


def intervals(comparison: Comparison) -> Figure:
    """Draw the accuracy of each run with its 95% interval, without the table."""
    figure, axes = style.new_figure(max(2.2, 0.8 + _ROW * len(comparison.standings)))
    _intervals(axes, comparison.standings, comparison.evaluations[0])
    names = [style.shorten(one.label, 30) for one in comparison.standings]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    return figure


def _intervals(axes: Axes, shown: Sequence[Standing], name: str) -> None:
    for row, one in enumerate(shown):
        found = one.record.metrics.evaluations.get(name)
        if found is None:
            continue
        low, high = found.accuracy_ci or (found.accuracy, found.accuracy)
        colour = style.DROPPED if one.is_noise is False else style.TRAIN
        axes.plot((low, high), (row, row), color=colour, linewidth=5, alpha=0.6, solid_capstyle="round")
        axes.plot(found.accuracy, row, "o", color=colour, markersize=8, markeredgecolor=style.INK, markeredgewidth=0.8)
    axes.set_title(f"{starred(name)} accuracy, 95% interval", fontsize=9)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    axes.xaxis.set_major_formatter(lambda value, _position: f"{100 * value:.4g}%")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _column(axes: Axes, heading: str, cells: Sequence[str], left: float) -> None:
    """Write a column at ``left``, in widths of the axes."""
    place = axes.get_yaxis_transform()
    axes.text(left, -0.65, heading, transform=place, color=style.FAINT, fontsize=8, va="bottom")
    for row, cell in enumerate(cells):
        axes.text(left, row, cell, transform=place, fontsize=8, va="center")


# --- curves -----------------------------------------------------------------------------------------------------


def curves(shown: Sequence[Standing]) -> Figure:
    """Draw the accuracy on the validation part after each epoch, a line a run, the best run first in the legend."""
    lines = [(one, _curve(one.record)) for one in shown]
    known = [(one, line) for one, line in lines if line]
    figure, axes = style.new_figure(3.4 + 0.18 * (len(known) // 3))
    for number, (one, line) in enumerate(known):
        colour = style.class_colour(number)
        dashes = _STYLES[number // len(style.CLASS_COLOURS) % len(_STYLES)]
        marker = "o" if max(len(other) for _, other in known) <= 20 else ""
        label = style.shorten(one.label, 24)
        epochs = range(1, len(line) + 1)
        axes.plot(epochs, line, color=colour, linestyle=dashes, marker=marker, markersize=3.5, label=label)
    axes.set_xlabel("epoch")
    axes.set_ylabel("val accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(lambda value, _position: f"{100 * value:.4g}%")
    axes.grid(True, axis="y")
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return figure


def _curve(record: RunRecord) -> list[float]:
    """Return the accuracy after each epoch (NaN where it was not measured); empty where it never was."""
    found = [epoch.figures.get("val.accuracy") for epoch in record.history]
    if all(value is None for value in found):
        return []
    return [np.nan if value is None else value for value in found]


# --- classes ----------------------------------------------------------------------------------------------------


def cleanings(comparison: Comparison) -> Mapping[str, Mapping[str, int]]:
    """Return the images of each class before cleaning and after each way of it; none where data sets differ."""
    if not comparison.same_data:
        return {}
    found = {_BEFORE: comparison.best.record.data.counts.get("before", {})}
    for one in comparison.standings:
        after = one.record.data.counts.get("after", {})
        if after and after not in found.values():
            found[one.name] = after
    return found if found[_BEFORE] else {}


def classes(cleaned: Mapping[str, Mapping[str, int]], names: Sequence[str]) -> Figure:
    """Draw the images of each class before cleaning and after it, a bar a way of cleaning."""
    figure, axes = style.new_figure(0.8 + len(names) * (0.16 + 0.15 * len(cleaned)))
    thick = 0.8 / len(cleaned)
    for number, (name, counts) in enumerate(cleaned.items()):
        colour = (style.DROPPED, style.TRAIN, *style.OTHERS)[number % (2 + len(style.OTHERS))]
        places = np.arange(len(names)) - 0.4 + thick * (number + 0.5)
        sizes = [counts.get(one, 0) for one in names]
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
