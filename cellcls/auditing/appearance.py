"""Visual appearance of a data set: sample images, mean images, colours and stains per class and part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.auditing.dataset import AuditedDataset
from cellcls.ops.imaging.stain import stain_amounts, stain_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 12
"""Sample images per class."""
_MEAN_IMAGES = 200
"""Maximum number of images per class that means are computed from, evenly spaced."""
_STAIN_IMAGES = 40
"""Maximum number of images per class that the stains of the data set are estimated from."""


@attrs.frozen(kw_only=True, eq=False)
class ClassAppearance:
    """Colours and stains of the images of a class, or of one part of it."""

    name: str
    part: str
    count: int
    mean: tuple[float, float, float]
    """Mean red, green and blue, 0..1."""
    spread: tuple[float, float, float]
    """Standard deviation between images."""
    stains: tuple[tuple[float, float, float], ...]
    """Unit vectors of optical density in red, green and blue, the bluer stain first; empty if unstained."""


@attrs.frozen(kw_only=True)
class Stains:
    """The stains of a data set, in the form of the settings of `cellcls-stain`."""

    vectors: tuple[tuple[float, ...], ...]
    amounts: tuple[float, ...]
    """Typical maximum amount of each stain in an image."""


@attrs.frozen(kw_only=True, eq=False)
class Appearance:
    """Appearance of a data set: statistics per class and part, with sample and mean images."""

    rows: tuple[ClassAppearance, ...]
    stains: Stains | None
    """None if unstained."""
    samples: dict[str, NDArray[np.uint8]]
    """(n, H, W, 3) sample images by class."""
    means: dict[str, NDArray[np.uint8]]
    """(H, W, 3) mean image by class."""


def measure_appearance(data: AuditedDataset, kept: NDArray[np.bool_]) -> Appearance:
    """Return the appearance of the images that are ``kept`` (N,)."""
    rows, samples, means, for_stains = [], {}, {}, []
    parts = [] if data.source.parts is None else np.unique(data.source.parts).tolist()
    for number, name in enumerate(data.classes):
        own = np.flatnonzero((data.labels == number) & kept)
        if not len(own):
            continue
        images = data.source.read(_spread(own, _MEAN_IMAGES).astype(np.intp))
        samples[name] = images[_spread(np.arange(len(images)), SAMPLES)]
        means[name] = images.mean(axis=0).round().astype(np.uint8)
        for_stains.append(images[_spread(np.arange(len(images)), _STAIN_IMAGES)])
        rows.append(_class_appearance(name, "", len(own), images))
        for part in ("train", "val", "test") if len(parts) > 1 else ():
            inside = own[[data.part(int(index)) == part for index in own]]
            if len(inside):
                images = data.source.read(_spread(inside, _MEAN_IMAGES).astype(np.intp))
                rows.append(_class_appearance(name, part, len(inside), images))
        data.source.release_memory()
    return Appearance(rows=tuple(rows), stains=_stains(for_stains), samples=samples, means=means)


def _stains(images_by_class: list[NDArray[np.uint8]]) -> Stains | None:
    """Estimate the stains from the images (n, H, W, 3) of each class."""
    images = np.concatenate(images_by_class) if images_by_class else np.zeros((0, 1, 1, 3), np.uint8)
    vectors = stain_vectors(images)
    if not len(vectors):
        return None
    amounts = stain_amounts(images, vectors).round(3).tolist()
    return Stains(vectors=tuple(map(tuple, vectors.round(4).tolist())), amounts=tuple(amounts))


def _spread(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return at most ``count`` of the indices, evenly spaced."""
    positions = np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int)
    return np.asarray(indices[positions])


def _class_appearance(name: str, part: str, count: int, images: NDArray[np.uint8]) -> ClassAppearance:
    colours = images.reshape(len(images), -1, 3).mean(axis=1) / 255
    red, green, blue = colours.mean(axis=0).tolist()
    spread = colours.std(axis=0).tolist()
    stains = tuple((float(r), float(g), float(b)) for r, g, b in stain_vectors(images))
    return ClassAppearance(
        name=name,
        part=part,
        count=count,
        mean=(red, green, blue),
        spread=(spread[0], spread[1], spread[2]),
        stains=stains,
    )
