"""Images that are probably damaged or not cells, by rules relative to the rest of the data set.

All thresholds are relative to the median, so that a data set of dark slides or low magnification is not flagged as a
whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.ops.curation.image_statistics import STATISTICS
from cellcls.ops.curation.thresholds import MAX_DISTANCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.ops.curation.copies import Groups

    Floats = NDArray[np.floating]

RULES: Mapping[str, str] = MappingProxyType(
    {
        "dark": "less than half as bright as the median image",
        "bright": "less than a quarter of the median image's distance to white",
        "blank": "less than a quarter of the median contrast",
        "blurred": "less than a third of the median ratio of sharpness to contrast",
        "harsh": "at least three times the median ratio of sharpness to contrast: text, noise, edges",
        "grey": "at most a fifth of the median saturation, in a data set in colour",
        "odd_size": "width, height or aspect ratio at most half or at least twice the median",
        "far_away": "far from other images in colour and texture",
    }
)
"""Description of each rule."""

MIN_IMAGES = 8
"""Number of distinct images required to determine what is usual."""
_REFERENCES = 2000
_NEIGHBOUR_SHARE = 0.01
_COMPONENTS = 40
_CLIP = 5.0


@attrs.frozen
class Suspect:
    """An image that matches a rule; ``score``: 1 at the threshold of the rule, larger beyond."""

    index: int
    rule: str
    score: float
    reason: str


def suspects(
    statistics: Floats,
    groups: Groups,
    *,
    sizes: NDArray[np.int64] | None = None,
    features: Floats | None = None,
    max_distance: float = MAX_DISTANCE,
) -> list[Suspect]:
    """Return the suspects among N images by rule, highest score first.

    ``statistics`` (N, F): see ``image_statistics``; ``groups``: copies count once in a median; ``sizes`` (N, 2): height
    and width before resizing; ``features`` (N, D): features of a network, in which to measure distances instead of in
    the statistics. Returns nothing for fewer than 8 distinct images.
    """
    firsts = groups.firsts()
    if len(firsts) < MIN_IMAGES:
        return []
    found: list[Suspect] = []
    for rule, score in _scores(statistics, firsts, sizes):
        found += _above(rule, score)
    distance = distances(statistics if features is None else features, firsts)
    usual = np.log(distance[firsts] + 1e-9)
    middle = np.median(usual)
    spread = 1.4826 * np.median(np.abs(usual - middle)) + 1e-3
    return found + _above("far_away", (np.log(distance + 1e-9) - middle) / spread / max_distance)


def distances(features: Floats, firsts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance (N,) of each image to its neighbour at 1% of the data set, in standardised principal
    components.

    ``firsts``: the first image of each group of copies, so that copies are not neighbours; at most 2,000 of them are
    used as references.
    """
    values = np.asarray(features, dtype=np.float64)
    own = values[firsts]
    middle = np.median(own, axis=0)
    spread = 1.4826 * np.median(np.abs(own - middle), axis=0)
    spread = np.where(spread > 1e-6, spread, own.std(axis=0) + 1e-3)
    scaled = np.clip((values - middle) / spread, -_CLIP, _CLIP)
    centred = scaled - scaled[firsts].mean(axis=0)
    sizes, directions = np.linalg.eigh(np.cov(centred[firsts].T) + 1e-9 * np.eye(values.shape[1]))
    kept = slice(-min(_COMPONENTS, len(sizes)), None)
    projected = centred @ (directions[:, kept] / np.sqrt(np.maximum(sizes[kept], 0) + 0.05 * sizes.mean()))
    references = projected[firsts[np.linspace(0, len(firsts) - 1, min(len(firsts), _REFERENCES)).astype(int)]]
    neighbour = min(len(references) - 1, 1 + int(_NEIGHBOUR_SHARE * len(references)))
    return np.concatenate([_kth(block, references, neighbour) for block in _blocks(projected)])


def _kth(asked: NDArray[np.float64], references: NDArray[np.float64], number: int) -> NDArray[np.float64]:
    squares = (asked**2).sum(axis=1)[:, None] + (references**2).sum(axis=1) - 2 * asked @ references.T
    return np.asarray(np.sqrt(np.maximum(np.partition(squares, number, axis=1)[:, number], 0)))


def _blocks(values: NDArray[np.float64], size: int = 2048) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _scores(
    statistics: Floats, firsts: NDArray[np.int64], sizes: NDArray[np.int64] | None
) -> Iterator[tuple[str, Floats]]:
    """Yield each simple rule with the score (N,) of all images."""
    named = {name: np.asarray(statistics[:, number], dtype=np.float64) for number, name in enumerate(STATISTICS)}
    usual = {name: float(np.median(values[firsts])) for name, values in named.items()}

    def times_below(name: str, share: float) -> Floats:
        return share * usual[name] / np.maximum(named[name], 1e-6)

    yield "dark", times_below("brightness", 0.5)
    yield "bright", 0.25 * (1 - usual["brightness"]) / np.maximum(1 - named["brightness"], 1e-6)
    yield "blank", times_below("contrast", 0.25)
    yield "blurred", times_below("sharpness_range", 1 / 3)
    yield "harsh", named["sharpness_range"] / max(3 * usual["sharpness_range"], 1e-6)
    if usual["saturation"] > 0.03:
        yield "grey", times_below("saturation", 0.2)
    if sizes is not None:
        sides = np.stack([sizes[:, 0], sizes[:, 1], sizes[:, 0] / sizes[:, 1]], axis=1).astype(np.float64)
        off = np.abs(np.log2(sides / np.median(sides[firsts], axis=0))).max(axis=1)
        yield "odd_size", off


def _above(rule: str, score: Floats) -> list[Suspect]:
    chosen = np.flatnonzero(score >= 1)
    ordered = chosen[np.argsort(-score[chosen], kind="stable")]
    return [Suspect(int(index), rule, float(score[index]), RULES[rule]) for index in ordered]
