"""What a person sees of a set: sample cells, mean cells, colours, stains, as figures and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.audit.subject import Subject
from cellcls.ops.stain import stain_amounts, stain_vectors
from cellcls.report import figures, style
from cellcls.report.mosaic import mosaic
from cellcls.report.numbers import plain
from cellcls.report.pictures import Group, Tile

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

SAMPLES = 12
"""Cells shown of each class."""
_AVERAGED = 200
"""Cells a mean is taken over, at most, evenly spread over the class."""
_STAINED = 40
"""Cells of each class the set's stains are estimated from, at most."""
_CHANNELS = ("red", "green", "blue")
_CHANNEL_COLOURS = (style.BAD, style.GOOD, style.TRAIN)


@attrs.frozen(kw_only=True, eq=False)
class Look:
    """How the images of one class, or of one part of it, look."""

    name: str
    part: str
    count: int
    mean: tuple[float, float, float]
    """Mean red, green and blue, 0..1."""
    spread: tuple[float, float, float]
    """Standard deviation between the images."""
    stains: tuple[tuple[float, float, float], ...]
    """Unit vectors of optical density in red, green and blue, the bluer stain first; empty where there is no stain."""


@attrs.frozen(kw_only=True)
class Stains:
    """The stains of a whole set, as the settings of `cellcls-stain` take them."""

    vectors: tuple[tuple[float, ...], ...]
    amounts: tuple[float, ...]
    """How much of each an image typically holds at most."""


@attrs.frozen(kw_only=True, eq=False)
class Looks:
    """Looks of all classes, and pictures of them."""

    rows: tuple[Look, ...]
    stains: Stains | None
    """None: there is no stain."""
    samples: dict[str, NDArray[np.uint8]]
    """(n, H, W, 3) a few cells of each class."""
    means: dict[str, NDArray[np.uint8]]
    """(H, W, 3) the mean cell of each class."""


def look(subject: Subject, kept: NDArray[np.bool_]) -> Looks:
    """Look at the classes of a set; ``kept`` (N,): what is not dropped."""
    rows, samples, means, stained = [], {}, {}, []
    for number, name in enumerate(subject.classes):
        own = np.flatnonzero((subject.labels == number) & kept)
        if not len(own):
            continue
        images = subject.source.read(_spread(own, _AVERAGED).astype(np.intp))
        samples[name] = images[_spread(np.arange(len(images)), SAMPLES)]
        means[name] = images.mean(axis=0).round().astype(np.uint8)
        stained.append(images[_spread(np.arange(len(images)), _STAINED)])
        rows.append(_look(name, "", len(own), images))
        for part in ("train", "val", "test") if subject.source.parts is not None else ():
            inside = own[[subject.part(int(index)) == part for index in own]]
            if len(inside):
                seen = subject.source.read(_spread(inside, _AVERAGED).astype(np.intp))
                rows.append(_look(name, part, len(inside), seen))
    return Looks(rows=tuple(rows), stains=_stains(stained), samples=samples, means=means)


def _stains(classes: list[NDArray[np.uint8]]) -> Stains | None:
    """Estimate the stains of the images of all classes (n, H, W, 3)."""
    images = np.concatenate(classes) if classes else np.zeros((0, 1, 1, 3), np.uint8)
    vectors = stain_vectors(images)
    if not len(vectors):
        return None
    amounts = stain_amounts(images, vectors).round(3).tolist()
    return Stains(vectors=tuple(map(tuple, vectors.round(4).tolist())), amounts=tuple(amounts))


def _spread(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most ``count`` of the indices, evenly spread."""
    places = np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int)
    return np.asarray(indices[places])


def _look(name: str, part: str, count: int, images: NDArray[np.uint8]) -> Look:
    colours = images.reshape(len(images), -1, 3).mean(axis=1) / 255
    red, green, blue = colours.mean(axis=0).tolist()
    spread = colours.std(axis=0).tolist()
    stains = tuple((float(r), float(g), float(b)) for r, g, b in stain_vectors(images))
    return Look(
        name=name,
        part=part,
        count=count,
        mean=(red, green, blue),
        spread=(spread[0], spread[1], spread[2]),
        stains=stains,
    )


def draw(subject: Subject, looks: Looks, kept: NDArray[np.bool_]) -> dict[str, bytes]:
    """Return the figures as PNG files by name."""
    with style.drawing():
        return dict(_drawn(subject, looks, kept))


def _drawn(subject: Subject, looks: Looks, kept: NDArray[np.bool_]) -> Iterator[tuple[str, bytes]]:
    counts = {
        what: dict(zip(subject.classes, np.bincount(labels, minlength=len(subject.classes)).tolist(), strict=True))
        for what, labels in (("before", subject.labels), ("after", subject.labels[kept]))
    }
    counts["kept"] = counts["after"]
    yield "classes.png", style.to_png(figures.class_counts(counts, subject.classes))
    samples = [
        Group(title=plain(name), tiles=tuple(Tile(pictures=(image,), lines=()) for image in images))
        for name, images in looks.samples.items()
    ]
    if samples:
        yield "samples.png", style.to_png(mosaic(samples, columns=SAMPLES))
        yield "mean_cells.png", style.to_png(mosaic([Group(tiles=mean_tiles(looks))], columns=8))
        yield "colours.png", style.to_png(_colours(looks))


def mean_tiles(looks: Looks) -> tuple[Tile, ...]:
    """Return the mean cell of each class."""
    return tuple(Tile(pictures=(image,), lines=(plain(name),)) for name, image in looks.means.items())


def _colours(looks: Looks) -> Figure:
    """Draw mean and spread of red, green and blue over the images of each class and part."""
    rows = looks.rows
    figure, axes = style.new_figure(max(1.6, 0.34 * len(rows) + 0.8))
    places = np.arange(len(rows))[::-1]
    for channel, (name, colour) in enumerate(zip(_CHANNELS, _CHANNEL_COLOURS, strict=True)):
        means = [row.mean[channel] for row in rows]
        spreads = [row.spread[channel] for row in rows]
        off = places + 0.18 * (1 - channel)
        axes.errorbar(means, off, xerr=spreads, fmt="o", markersize=3.5, linewidth=1.2, color=colour, label=name)
    labels = [style.shorten(f"{plain(row.name)} {row.part}".strip(), figures.NAME_LETTERS + 6) for row in rows]
    axes.set_yticks(places, labels)
    axes.set_xlabel("mean over the image, 0 to 1; bars: standard deviation between images")
    axes.grid(True, axis="x")
    figure.legend(loc="outside upper right", ncols=3)
    return figure
