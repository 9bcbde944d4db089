"""A figure of many small images with captions, in titled groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cellcls.report import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from cellcls.report.pictures import Group, Tile

WIDTH = 7.2
"""Inches."""
DPI = 130
CAPTION, TITLE = 6.5, 9.0
"""Sizes of type in points."""
_GAP = 0.035
_TONES = {"": style.INK, "good": style.GOOD, "bad": style.BAD}


@attrs.frozen
class _Scale:
    """The drawing's unit is the side of one picture; ``columns`` of them fill the width."""

    columns: int

    def units(self, points: float) -> float:
        return points / (72 * WIDTH / self.columns)

    def letters(self, pictures: int) -> int:
        return int(pictures / self.units(0.56 * CAPTION))


def mosaic(groups: Sequence[Group], columns: int = 6) -> Figure:
    """Draw groups of tiles below each other, ``columns`` pictures wide; a tile of two pictures takes two columns."""
    scale = _Scale(columns)
    figure = Figure(dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    bottom = _GAP
    for group in groups:
        bottom = _group(axes, scale, group, bottom)
    axes.set_xlim(0, columns)
    axes.set_ylim(bottom, 0)
    figure.set_size_inches(WIDTH, max(0.3, bottom * WIDTH / columns))
    return figure


def _group(axes: Axes, scale: _Scale, group: Group, top: float) -> float:
    """Draw one group from ``top`` downwards and return where it ends."""
    if group.title:
        top += scale.units(1.6 * TITLE)
        axes.text(_GAP, top, group.title, fontsize=TITLE, fontweight="bold", va="baseline")
        top += scale.units(0.6 * TITLE)
    if group.share is not None:
        bar = Rectangle((_GAP, top), (scale.columns - 2 * _GAP) * group.share, scale.units(3), color=style.VAL)
        axes.add_patch(bar)
        top += scale.units(8)
    for line in _lines(scale, group.tiles):
        top = _line(axes, scale, line, top)
    return top


def _lines(scale: _Scale, tiles: Sequence[Tile]) -> list[Sequence[Tile]]:
    if not tiles:
        return []
    fit = max(1, scale.columns // len(tiles[0].pictures))
    return [tiles[start : start + fit] for start in range(0, len(tiles), fit)]


def _line(axes: Axes, scale: _Scale, tiles: Sequence[Tile], top: float) -> float:
    left, deepest = 0.0, 0
    for tile in tiles:
        for position, picture in enumerate(tile.pictures):
            begin = left + position
            sides = (begin + _GAP, begin + 1 - _GAP, top + 1 - _GAP, top + _GAP)
            axes.imshow(picture, extent=sides, aspect="auto", interpolation="antialiased")
        for number, text in enumerate(tile.lines, start=1):
            where = top + 1 + scale.units(1.25 * CAPTION * number - 0.3 * CAPTION)
            shown = style.shorten(text, scale.letters(len(tile.pictures)))
            axes.text(left + _GAP, where, shown, fontsize=CAPTION, color=_TONES[tile.tone], va="baseline")
        deepest = max(deepest, len(tile.lines))
        left += len(tile.pictures)
    return top + 1 + scale.units(1.25 * CAPTION * deepest + 0.8 * CAPTION)
