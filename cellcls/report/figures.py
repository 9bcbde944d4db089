"""The charts of a report: small pure functions from data to a figure. Draw and save them within ``style.drawing()``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from cellcls.report import style
from cellcls.report.numbers import count, percent, plain, starred

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cellcls.ops.statistics.table import ClassScore, Interval
    from cellcls.runs.records import EpochRecord, EvaluationRecord

NAME_LETTERS = 22
"""Longer class names are cut in a chart."""
MOST_NUMBERED = 14
"""A confusion matrix of more classes is drawn without numbers: they would not be legible."""


# --- training ---------------------------------------------------------------------------------------------------


def curves(epochs: Sequence[EpochRecord]) -> Figure:
    """Draw loss and accuracy per epoch, of the training part and each evaluation made at every epoch.

    Stages follow each other and are marked by name; a ring marks the best epoch by ``train.select``.
    """
    figure, panels = style.new_panels(4.6, 2)
    for axes, metric in zip(panels, ("loss", "accuracy"), strict=True):
        for position, source in enumerate(_sources(epochs)):
            _curve(axes, epochs, f"{source}.{metric}", source, _source_colour(source, position))
        axes.set_ylabel(metric)
        axes.grid(True, axis="y")
        _mark_stages(axes, epochs)
    percent_axis(panels[1].yaxis)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", ncols=4)
    epoch_axis(panels[1], len(epochs))
    _name_stages(panels[0], epochs)
    return figure


def expanded(epochs: Sequence[EpochRecord]) -> bool:
    """Return whether training used copies of images."""
    return any(sum(epoch.copies.values()) for epoch in epochs)


def draws(epochs: Sequence[EpochRecord], classes: Sequence[str]) -> Figure:
    """Draw how many samples of each class each epoch used, and how many of them were copies."""
    figure, axes = style.new_figure(3.6)
    stack_draws(axes, epochs, classes)
    _mark_stages(axes, epochs)
    epoch_axis(axes, len(epochs))
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    return figure


def stack_draws(axes: Axes, epochs: Sequence[EpochRecord], classes: Sequence[str]) -> None:
    """Stack the samples of each class in ``axes``, epoch by epoch; the upper, pale part of a class are its copies."""
    edges = np.arange(len(epochs) + 1) + 0.5
    bottom = np.zeros(len(epochs))
    for label, name in enumerate(classes):
        drawn, copies = (
            np.array([counts.get(name, 0) for counts in per_epoch], float)
            for per_epoch in ([epoch.drawn for epoch in epochs], [epoch.copies for epoch in epochs])
        )
        shown, colour = style.shorten(plain(name), NAME_LETTERS), style.class_colour(label)
        for part, ink, legend in ((drawn - copies, colour, shown), (copies, style.pale(colour), None)):
            axes.stairs(bottom + part, edges, baseline=bottom, fill=True, color=ink, label=legend)
            bottom = bottom + part
    axes.set_ylabel("samples")
    axes.grid(True, axis="y")


def epoch_axis(axes: Axes, epochs: int) -> None:
    """Number the epochs from 1 below the axes."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.6, epochs + 0.4)


def _sources(epochs: Sequence[EpochRecord]) -> list[str]:
    names = {key.rsplit(".", 1)[0]: None for epoch in epochs for key in epoch.metrics}
    return sorted(names, key=lambda name: (name != "train", name != "val"))


def _source_colour(source: str, position: int) -> str:
    known = {"train": style.TRAIN, "val": style.VAL, "test": style.TEST}
    return known.get(source, style.OTHERS[position % len(style.OTHERS)])


def _curve(axes: Axes, epochs: Sequence[EpochRecord], key: str, label: str, colour: str) -> None:
    values = [epoch.metrics.get(key) for epoch in epochs]
    if all(value is None for value in values):
        return
    heights = np.array([np.nan if value is None else value for value in values])
    numbers = np.arange(1, len(epochs) + 1)
    axes.plot(numbers, heights, color=colour, label=label, marker="o" if len(epochs) <= 20 else "", markersize=3.5)
    best = max((position for position, epoch in enumerate(epochs) if epoch.best), default=None)
    if best is not None and label != "train":
        axes.plot(best + 1, heights[best], "o", markersize=9, markerfacecolor="none", markeredgecolor=style.INK)


def _stage_starts(epochs: Sequence[EpochRecord]) -> list[int]:
    return [at for at, epoch in enumerate(epochs) if at == 0 or epoch.stage != epochs[at - 1].stage]


def _mark_stages(axes: Axes, epochs: Sequence[EpochRecord]) -> None:
    for start in _stage_starts(epochs)[1:]:
        axes.axvline(start + 0.5, color=style.FAINT, linewidth=0.9, linestyle=(0, (4, 3)))


def _name_stages(axes: Axes, epochs: Sequence[EpochRecord]) -> None:
    starts = _stage_starts(epochs)
    if len(starts) < 2:
        return
    for start, end in zip(starts, [*starts[1:], len(epochs)], strict=True):
        letters = max(3, int(60 * (end - start) / len(epochs)))
        name = style.shorten(epochs[start].stage_name, letters)
        middle = (start + end + 1) / 2
        place = axes.get_xaxis_transform()
        axes.text(middle, 1.02, name, transform=place, ha="center", va="bottom", color=style.FAINT, fontsize=8)


def percent_axis(axis: Any) -> None:
    """Format the axis in percent."""
    axis.set_major_formatter(lambda value, _position: f"{100 * value:.4g}%")


# --- results ----------------------------------------------------------------------------------------------------


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix (K, K): rows are given, columns predicted; counts, and below them the row's share.

    The shade is the square root of the share, so that rare mistakes are visible next to a strong diagonal.
    """
    counts = np.asarray(matrix)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    figure, axes = style.new_figure(5.2)
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.15)
    names = [style.shorten(plain(name), NAME_LETTERS) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("given")
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    if len(names) <= MOST_NUMBERED:
        _number_cells(axes, counts, shares)
    return figure


def _number_cells(axes: Axes, counts: np.ndarray[Any, Any], shares: np.ndarray[Any, Any]) -> None:
    size = 8.0 if len(counts) <= 9 else 6.0
    for row, column in np.argwhere(counts > 0):
        ink = "white" if shares[row, column] > 0.4 else style.INK
        axes.text(column, row - 0.12, count(int(counts[row, column])), ha="center", va="center", color=ink, size=size)
        share = percent(float(shares[row, column]))
        axes.text(column, row + 0.23, share, ha="center", va="center", color=ink, size=0.8 * size)


def per_class(scores: Mapping[str, ClassScore], classes: Sequence[str], title: str) -> Figure:
    """Draw the recall of each class with its 95% interval; the dashed line is their mean, the balanced accuracy."""
    known = [(label, scores[name].recall, scores[name]) for label, name in enumerate(classes) if name in scores]
    figure, axes = style.new_figure(max(1.9, 0.9 + 0.36 * len(known)))
    lowest, recalls = 0.9, []
    for row, (label, recall, score) in enumerate(known):
        if recall is not None:
            ends = score.recall_ci or (recall, recall)
            _recall(axes, row, recall, ends, style.class_colour(label))
            lowest = min(lowest, ends[0])
            recalls.append(recall)
    if recalls:
        axes.axvline(float(np.mean(recalls)), color=style.FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set_yticks(range(len(known)), [_sized(classes[label], score) for label, _, score in known])
    axes.set_ylim(len(known) - 0.4, -0.6)
    axes.set_xlim(lowest - 0.02, 1.005)
    axes.grid(True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_title(title)
    percent_axis(axes.xaxis)
    return figure


def _sized(name: str, score: ClassScore) -> str:
    return f"{style.shorten(plain(name), NAME_LETTERS)}  (n = {count(score.support)})"


def _recall(axes: Axes, row: int, recall: float, ends: Interval, colour: str) -> None:
    axes.plot(ends, (row, row), color=colour, linewidth=5, alpha=0.55, solid_capstyle="round")
    axes.plot(recall, row, "o", color=colour, markersize=8, markeredgecolor=style.INK, markeredgewidth=0.8)


def sureness(evaluations: Mapping[str, EvaluationRecord]) -> Figure:
    """Draw, for each evaluation, how often predictions of a probability are right, and the share of errors among the
    surest ones."""
    figure, panels = style.new_panels(5.6, 2, heights=(3, 2))
    above, below = panels
    above.plot((0, 1), (0, 1), color=style.FAINT, linewidth=0.9, linestyle=(0, (4, 3)))
    for position, (name, shown) in enumerate(evaluations.items()):
        colour = _source_colour(name, position)
        points = np.array(shown.reliability).reshape(-1, 2).T
        label = style.shorten(starred(name), NAME_LETTERS)
        above.plot(*points, marker="o", markersize=3.5, color=colour, label=label)
        below.plot(*np.array(shown.risk_coverage).reshape(-1, 2).T, marker="o", markersize=3.5, color=colour)
    above.set(xlabel="probability of the predicted class", ylabel="accuracy")
    below.set(xlabel="share of the images, the surest first", ylabel="errors among them")
    below.set_ylim(bottom=0)
    for axes in panels:
        axes.grid(True)
        percent_axis(axes.xaxis)
        percent_axis(axes.yaxis)
    figure.legend(loc="outside upper right", ncols=4)
    return figure


# --- data -------------------------------------------------------------------------------------------------------

PARTS = (("train", style.TRAIN), ("val", style.VAL), ("test", style.TEST))


def class_counts(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Figure:
    """Draw how many images of each class went to each part and how many were dropped by cleaning.

    ``counts``: images of each class ``before`` and ``after`` cleaning, and in ``train``, ``val`` and ``test``, or just
    ``kept`` where there are no parts.
    """
    figure, axes = style.new_figure(max(2.1, 1.2 + 0.34 * len(classes)))
    begin = np.zeros(len(classes))
    for part, colour in (*PARTS, ("kept", style.TRAIN), ("dropped", style.DROPPED)):
        widths = _widths(counts, classes, part)
        if widths.any():
            hatch = "////" if part == "dropped" else ""
            axes.barh(
                range(len(classes)), widths, 0.68, begin, color=colour, label=part, hatch=hatch, edgecolor="white"
            )
        begin += widths
    for row, name in enumerate(classes):
        axes.text(begin[row], row, f" {_kept(counts, name)}", va="center", color=style.FAINT, fontsize=8)
    axes.set_yticks(range(len(classes)), [style.shorten(plain(name), NAME_LETTERS) for name in classes])
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.margins(x=0.17)
    axes.grid(True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_title("Images of each class", pad=24)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.995), ncols=4, borderaxespad=0, handlelength=1.2)
    return figure


def _widths(counts: Mapping[str, Mapping[str, int]], classes: Sequence[str], part: str) -> np.ndarray[Any, Any]:
    def of(name: str) -> np.ndarray[Any, Any]:
        return np.array([counts.get(name, {}).get(label, 0) for label in classes], dtype=float)

    return np.maximum(of("before") - of("after"), 0) if part == "dropped" else of(part)


def _kept(counts: Mapping[str, Mapping[str, int]], name: str) -> str:
    before, after = counts.get("before", {}).get(name, 0), counts.get("after", {}).get(name, 0)
    return count(after) if before <= after else f"{count(after)} of {count(before)}"
