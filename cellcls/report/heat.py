"""Figures that compare two networks by their heat maps. Draw and save them within ``style.drawing()``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from cellcls.report import style
from cellcls.report.figures import percent_axis
from cellcls.report.numbers import percent, plain
from cellcls.report.pictures import MapPairs, class_name, overlay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from cellcls.runs.records import DepthRecord, DepthsRecord

WIDTH = 10.5
"""Width of the maps side by side, in inches."""
MOST_LABELS = 30
"""Maximum number of layers named on an axis."""
_TEXT = 8.0  # points
_LABEL, _GAP, _HEADER = 1.95, 0.2, 1.0  # in sides of a picture


# --- every depth ------------------------------------------------------------------------------------------------


def depths(record: DepthsRecord) -> Figure:
    """Draw two networks compared layer by layer, from shallow to deep: the similarity of their heat maps, and the share
    of heat on the cell. Solid line: the first layer where they differ; dotted line: from here they stay different."""
    figure, panels = style.new_panels(4.8, 2)
    places = range(len(record.depths))
    panels[0].plot(places, [depth.similarity for depth in record.depths], marker="o", markersize=3, color=style.TRAIN)
    panels[0].axhline(record.same_above, linestyle="--", linewidth=0.8, color=style.VAL)
    panels[0].set_ylabel("similarity")
    panels[0].set_title(_advice(record), fontsize="medium", fontweight="normal")
    for number, name in enumerate(record.names):
        inside = [depth.heat_inside[number] for depth in record.depths]
        label = style.shorten(plain(name), 20)
        panels[1].plot(places, inside, marker="o", markersize=3, label=label, color=style.OTHERS[number])
    panels[1].axhline(record.cell_area, linestyle="--", linewidth=0.8, color=style.VAL, label="cell's share of area")
    panels[1].set_ylabel("heat on the cell")
    percent_axis(panels[1].yaxis)
    layers = [depth.layer for depth in record.depths]
    for axes in panels:
        axes.grid(True, axis="y")
        for layer, line in ((record.advised, "-"), (record.lasting, ":")):
            if layer in layers:
                axes.axvline(layers.index(layer), linewidth=1.0, linestyle=line, color=style.TEST)
    _name_layers(panels[1], layers, record.advised)
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _advice(record: DepthsRecord) -> str:
    if record.advised is None:
        return "the maps never differ"
    return f"first differ at {record.advised}: {percent(record.frozen_share)} of the parameters come before"


def _name_layers(axes: Axes, layers: Sequence[str], advised: str | None) -> None:
    """Name as many layers as there is room for, always including the advised one in place of its neighbours."""
    step = -(-len(layers) // MOST_LABELS)
    marked = layers.index(advised) if advised in layers else None
    near = [place for place in range(0, len(layers), step) if marked is None or abs(place - marked) >= step]
    shown = sorted({*near, *([] if marked is None else [marked])})
    axes.set_xticks(shown, [layers[place] for place in shown], rotation=90, fontsize="x-small")
    for place, label in zip(shown, axes.get_xticklabels(), strict=True):
        if place == marked:
            label.set(color=style.TEST, fontweight="bold")


# --- maps side by side ------------------------------------------------------------------------------------------


def pairs(record: DepthsRecord, maps: MapPairs, classes: Sequence[str]) -> Figure:
    """Draw the heat maps of two networks for the same images: one row per image; a column for the image, then one for
    each network's map at each layer, from shallow to deep."""
    columns = _LABEL + 1 + len(maps.layers) * (2 + _GAP)
    rows = _HEADER + len(maps.images) + 0.05
    figure = Figure(figsize=(WIDTH, WIDTH * rows / columns), dpi=style.DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    letters = 72 * WIDTH / columns / (0.6 * _TEXT)  # that fit in the width of an image
    for row, image in enumerate(maps.images):
        _name_row(axes, _HEADER + row, record.names, maps, classes, row, int(letters * (_LABEL - 0.1)))
        _picture(axes, image, _LABEL, _HEADER + row)
    known = {depth.layer: depth for depth in record.depths}
    for depth, layer in enumerate(maps.layers):
        left = _LABEL + 1 + _GAP + depth * (2 + _GAP)
        _head(axes, left, known[layer], record, int(letters))
        for row, image in enumerate(maps.images):
            for number in (0, 1):
                shown = overlay(image, maps.maps[depth, number, row])
                _picture(axes, shown, left + number, _HEADER + row)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return figure


def _picture(axes: Axes, picture: NDArray[np.uint8], left: float, top: float) -> None:
    sides = (left + 0.02, left + 0.98, top + 0.98, top + 0.02)
    axes.imshow(picture, extent=sides, aspect="auto", interpolation="antialiased")


def _name_row(
    axes: Axes, top: float, names: Sequence[str], maps: MapPairs, classes: Sequence[str], row: int, letters: int
) -> None:
    """Write an image's class next to it, and below it the wrong predictions of the networks."""
    given = int(maps.label[row])
    lines = [(class_name(classes, given), style.INK)]
    for name, predicted in zip(names, maps.predicted[:, row], strict=True):
        if predicted != given:
            lines += [(f"✗ {plain(name)}:", style.BAD), (f"   {class_name(classes, int(predicted))}", style.BAD)]
    for number, (text, colour) in enumerate(lines):
        _write(axes, 0.06, top + 0.16 + 0.19 * number, style.shorten(text, letters), colour)


def _head(axes: Axes, left: float, depth: DepthRecord, record: DepthsRecord, letters: int) -> None:
    """Write the heading of a layer's two columns: its name, the similarity of the maps, and the networks' names."""
    advised = depth.layer == record.advised
    colour = style.TEST if advised else style.INK
    title = f"{depth.layer} (advised)" if advised else depth.layer
    before, after = depth.heat_inside
    _write(axes, left + 0.02, 0.14, style.shorten(title, 2 * letters), colour, fontweight="bold")
    _write(axes, left + 0.02, 0.34, f"similarity {depth.similarity:.2f}", colour)
    _write(axes, left + 0.02, 0.54, f"on the cell {before:.0%}, {after:.0%}", style.FAINT)
    for number, name in enumerate(record.names):
        _write(axes, left + number + 0.5, 0.86, style.shorten(plain(name), letters), style.INK, ha="center")


def _write(axes: Axes, left: float, middle: float, text: str, colour: str, **how: Any) -> None:
    axes.text(left, middle, text, color=colour, fontsize=_TEXT, va="center", **how)
