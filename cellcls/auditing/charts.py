"""Figures of an audit: classes, samples, colours and stains, and the comparison with another data set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Rectangle

from cellcls.auditing.appearance import SAMPLES, Appearance, ClassAppearance
from cellcls.auditing.dataset import AuditedDataset
from cellcls.report import figures, style
from cellcls.report.mosaic import mosaic
from cellcls.report.numbers import plain
from cellcls.report.pictures import Group, Tile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cellcls.auditing.audit import Audit
    from cellcls.ops.curation.drift import Drift

MAX_SHIFTS = 12
"""Number of statistics shown of a drift, those with the largest effects."""
SWATCH_DENSITY = 1.5
"""Optical density (natural logarithm) at which a stain is shown as a colour: saturated, but not black."""
_MAX_BAR = 5.0
"""Bars of effects are clipped here; their labels are not."""
_CHANNELS = ("red", "green", "blue")
_CHANNEL_COLOURS = (style.BAD, style.GOOD, style.TRAIN)


def draw(audit: Audit) -> dict[str, bytes]:
    """Return the figures as PNG data by file name; names for the other data set start with ``other_``."""
    with style.drawing():
        return dict(_drawn(audit))


def _drawn(audit: Audit) -> Iterator[tuple[str, bytes]]:
    data = audit.data
    counts = {
        what: dict(zip(data.classes, np.bincount(labels, minlength=len(data.classes)).tolist(), strict=True))
        for what, labels in (("before", data.labels), ("after", data.labels[audit.kept]))
    }
    counts["kept"] = counts["after"]
    yield "classes.png", style.to_png(figures.class_counts(counts, data.classes))
    samples = [
        Group(title=plain(name), tiles=tuple(Tile(pictures=(image,), lines=()) for image in images))
        for name, images in audit.appearance.samples.items()
    ]
    if samples:
        yield "samples.png", style.to_png(mosaic(samples, columns=SAMPLES))
    yield from _looks("", audit.appearance)
    if audit.other is not None and audit.drift is not None and audit.other_appearance is not None:
        yield "drift.png", style.to_png(_drift(audit.drift, class_shares(data, audit.other), audit.other.name))
        yield from _looks("other_", audit.other_appearance)


def _looks(prefix: str, appearance: Appearance) -> Iterator[tuple[str, bytes]]:
    if not appearance.rows:
        return
    tiles = (Tile(pictures=(image,), lines=(plain(name),)) for name, image in appearance.means.items())
    means = Group(tiles=tuple(tiles))
    yield f"{prefix}mean_cells.png", style.to_png(mosaic([means], columns=8))
    yield f"{prefix}colours.png", style.to_png(_colours(appearance.rows))
    stained = [row for row in appearance.rows if row.stains]
    if stained:
        yield f"{prefix}stains.png", style.to_png(_stains(stained))


def _label_rows(axes: Axes, rows: Sequence[ClassAppearance]) -> NDArray[np.int64]:
    """Name the appearance along the y axis, the first on top; return their places (R,)."""
    places = np.arange(len(rows))[::-1]
    labels = [style.shorten(f"{plain(row.name)} {row.part}".strip(), figures.NAME_LETTERS + 6) for row in rows]
    axes.set_yticks(places, labels)
    return places


def _colours(rows: Sequence[ClassAppearance]) -> Figure:
    """Draw mean and standard deviation of red, green and blue over the images of each class and part."""
    figure, axes = style.new_figure(max(1.6, 0.34 * len(rows) + 0.8))
    places = _label_rows(axes, rows)
    for channel, (name, colour) in enumerate(zip(_CHANNELS, _CHANNEL_COLOURS, strict=True)):
        means = [row.mean[channel] for row in rows]
        spreads = [row.spread[channel] for row in rows]
        off = places + 0.18 * (1 - channel)
        axes.errorbar(means, off, xerr=spreads, fmt="o", markersize=3.5, linewidth=1.2, color=colour, label=name)
    axes.set_xlabel("mean, 0 to 1; bars: standard deviation between images")
    axes.grid(True, axis="x")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _stains(rows: Sequence[ClassAppearance]) -> Figure:
    """Draw each stain as the colour that white light takes on, next to its absorption of red, green and blue."""
    figure, axes = style.new_figure(max(1.6, 0.42 * len(rows) + 0.9))
    places = _label_rows(axes, rows)
    stains = [
        (place, 1.5 * number, stain)
        for place, row in zip(places, rows, strict=True)
        for number, stain in enumerate(row.stains)
    ]
    for place, left, stain in stains:
        colour = np.exp(-SWATCH_DENSITY * np.array(stain))
        axes.add_patch(Rectangle((left, place - 0.36), 0.3, 0.72, facecolor=colour, edgecolor=style.DROPPED))
    for channel, (name, shade) in enumerate(zip(_CHANNELS, _CHANNEL_COLOURS, strict=True)):
        rows_at = [place + 0.24 * (1 - channel) for place, _, _ in stains]
        lefts = [left + 0.35 for _, left, _ in stains]
        axes.barh(rows_at, [stain[channel] for _, _, stain in stains], height=0.22, left=lefts, color=shade, label=name)
    starts = [0.35, 1.85]
    axes.set_xticks([start + tick for start in starts for tick in (0, 0.5, 1)], ["0", "0.5", "1"] * 2)
    axes.set_xlim(-0.05, 2.9)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("optical density; left: first stain, right: second")
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def class_shares(ours: AuditedDataset, theirs: AuditedDataset) -> dict[str, tuple[float, float]]:
    """Return the share of images of each class in both data sets, 0..1, for the classes of either, ours first."""
    shares = []
    for data in (ours, theirs):
        counts = np.bincount(data.labels, minlength=len(data.classes))
        shares.append(dict(zip(data.classes, (counts / len(data)).tolist(), strict=True)))
    names = dict.fromkeys([*shares[0], *shares[1]])
    return {name: (shares[0].get(name, 0.0), shares[1].get(name, 0.0)) for name in names}


def _drift(drift: Drift, shares: dict[str, tuple[float, float]], other: str) -> Figure:
    """Draw the largest effects and, below, the class distributions of both data sets."""
    shifts = drift.shifts[:MAX_SHIFTS]
    heights = (0.24 * len(shifts) + 0.8, 0.34 * len(shares) + 0.8)
    figure, panels = style.new_panels(sum(heights), 2, heights=heights)
    effects = np.array([shift.effect for shift in shifts])
    places = np.arange(len(shifts))[::-1]
    shown = np.clip(effects, -_MAX_BAR, _MAX_BAR)
    panels[0].barh(places, shown, height=0.7, color=style.TRAIN)
    for place, end, effect in zip(places, shown, effects, strict=True):
        where, side = (3, "left") if end >= 0 else (-3, "right")
        panels[0].annotate(
            f"{effect:+.2f}", (end, place), xytext=(where, 0), textcoords="offset points", va="center", ha=side
        )
    panels[0].axvline(0, linewidth=0.8, color=style.FAINT)
    panels[0].margins(x=0.22)
    panels[0].set_yticks(places, [style.shorten(plain(shift.name), figures.NAME_LETTERS + 6) for shift in shifts])
    panels[0].set_xlabel("effect (Cohen's d): positive if larger in the other set")
    rows = np.arange(len(shares))[::-1]
    for number, (name, colour) in enumerate((("this set", style.TRAIN), (style.shorten(other, 24), style.VAL))):
        values = [100 * pair[number] for pair in shares.values()]
        panels[1].barh(rows + 0.19 * (1 - 2 * number), values, height=0.36, color=colour, label=name)
    panels[1].set_yticks(rows, [style.shorten(plain(name), figures.NAME_LETTERS + 6) for name in shares])
    panels[1].set_xlabel("share of the set's images, %")
    panels[1].grid(True, axis="x")
    panels[1].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
    return figure
