"""How a set looks: sample cells, mean cells, colours and stains of each class and part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.auditing.subject import Subject
from cellcls.ops.imaging.stain import stain_amounts, stain_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 12
"""Cells shown of each class."""
_AVERAGED = 200
"""Cells a mean is taken over, at most, evenly spread over the class."""
_STAINED = 40
"""Cells of each class the set's stains are estimated from, at most."""


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
    parts = [] if subject.source.parts is None else np.unique(subject.source.parts).tolist()
    for number, name in enumerate(subject.classes):
        own = np.flatnonzero((subject.labels == number) & kept)
        if not len(own):
            continue
        images = subject.source.read(_spread(own, _AVERAGED).astype(np.intp))
        samples[name] = images[_spread(np.arange(len(images)), SAMPLES)]
        means[name] = images.mean(axis=0).round().astype(np.uint8)
        stained.append(images[_spread(np.arange(len(images)), _STAINED)])
        rows.append(_look(name, "", len(own), images))
        for part in ("train", "val", "test") if len(parts) > 1 else ():
            inside = own[[subject.part(int(index)) == part for index in own]]
            if len(inside):
                seen = subject.source.read(_spread(inside, _AVERAGED).astype(np.intp))
                rows.append(_look(name, part, len(inside), seen))
        subject.source.release_memory()
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
