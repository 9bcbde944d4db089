"""About a hundred named statistics of colour and texture, by which the audit compares cells without a network.

Brightness, contrast and sharpness are measured at full resolution, everything else on the image resized to 48 x 48
pixels, in which a cell fills the middle.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from cellcls.ops.curation.perceptual import GREY, area_matrix
from cellcls.ops.processes.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_FINE = 48
_COARSE = 24
_RINGS = (0, 2, 4, 6, 8, 10, 12, 18)
"""Radii of the rings around the centre, in pixels of 24 x 24."""
_QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
_CHANNELS = ("red", "green", "blue", "saturation", "red_green", "blue_green")
_DARK = (0.25, 0.45, 0.7)
"""Thresholds between the darkest and the lightest green, for nucleus, cell and anything."""
_SHAPE = ("area", "edge", "spread", "off_centre")
_TEXTURE = ("step", "middle_step", "middle_step_spread", "bend", "middle_bend")

WHOLE = ("brightness", "contrast", "saturation", "sharpness", "sharpness_range")
"""Of the whole image: mean, standard deviation and mean saturation in 0..1; the standard deviation of the Laplacian,
and its ratio to the contrast."""

STATISTICS = (
    *WHOLE,
    *(f"ring{number}_{channel}_mean" for number in range(len(_RINGS) - 1) for channel in _CHANNELS),
    *(f"ring{number}_{channel}_spread" for number in range(len(_RINGS) - 1) for channel in _CHANNELS),
    *(f"{channel}_q{round(100 * quantile)}" for quantile in _QUANTILES for channel in _CHANNELS),
    *(f"dark{round(100 * share)}_{what}" for share in _DARK for what in (*_SHAPE, *_CHANNELS)),
    *(f"texture{side}_{what}" for side in (_FINE, _COARSE, _COARSE // 2) for what in _TEXTURE),
)
"""Names of the statistics."""


def statistics(images: NDArray[np.uint8]) -> Floats:
    """Return the statistics (N, F), always finite, of images (N, H, W, 3) uint8 of at least 1 x 1 pixels.

    In the order of ``STATISTICS``.
    """
    count, height, width, _ = images.shape
    full = images.astype(np.float32)
    full *= 1 / 255
    rows = (area_matrix(height, _FINE) @ full.reshape(count, height, width * 3)).reshape(count, _FINE, width, 3)
    fine = area_matrix(width, _FINE) @ rows
    coarse = fine.reshape(count, _COARSE, 2, _COARSE, 2, 3).mean(axis=(2, 4))
    channels = _channels(coarse)
    parts = [
        _whole(full @ GREY, channels),
        *_rings(channels),
        *_ordered(channels),
        *(part for share in _DARK for part in _dark(channels, share)),
        *(_texture(green) for green in (fine[..., 1], coarse[..., 1], _halved(coarse[..., 1]))),
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def read_statistics(read: Callable[[NDArray[np.intp]], NDArray[np.uint8]], count: int, *, batch: int = 64) -> Floats:
    """Return the statistics (N, F) of ``count`` images, read in batches."""
    starts = range(0, count, batch)
    images = (read(np.arange(start, min(start + batch, count), dtype=np.intp)) for start in starts)
    return np.concatenate([np.zeros((0, len(STATISTICS)), dtype=np.float32), *in_parallel(statistics, images)])


def _channels(coarse: Floats) -> Floats:
    """Return the channels (N, 6, 576) of images (N, 24, 24, 3)."""
    red, green, blue = coarse[..., 0], coarse[..., 1], coarse[..., 2]
    saturation = coarse.max(axis=-1) - coarse.min(axis=-1)
    channels = np.stack([red, green, blue, saturation, red - green, blue - green], axis=1)
    return channels.reshape(len(coarse), len(_CHANNELS), _COARSE * _COARSE)


def _whole(grey: Floats, channels: Floats) -> Floats:
    brightness, contrast = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    sharpness = _bend(grey).std(axis=(1, 2)) if min(grey.shape[1:]) > 2 else np.zeros(len(grey))
    relative = sharpness / (contrast + 0.01)
    return np.stack([brightness, contrast, channels[:, 3].mean(axis=1), sharpness, relative], axis=1)


def _rings(channels: Floats) -> list[Floats]:
    rings, pixels = _ring_matrix()
    means = channels @ rings
    squares = (channels * channels) @ rings
    spread = np.sqrt(np.maximum(squares - means * means, 0))
    shape = (len(channels), len(_CHANNELS) * pixels)
    return [values.transpose(0, 2, 1).reshape(shape) for values in (means, spread)]


@cache
def _ring_matrix() -> tuple[Floats, int]:
    """Return the matrix (576, rings) that averages over each ring, and the number of rings."""
    inner, outer = np.array(_RINGS[:-1]), np.array(_RINGS[1:])
    radius = np.hypot(*_places())
    inside = (radius[:, None] >= inner) & (radius[:, None] < outer)
    return (inside / inside.sum(axis=0)).astype(np.float32), len(inner)


@cache
def _places() -> tuple[Floats, Floats]:
    """Return the offsets of each pixel of 24 x 24 from the centre, down and right (576,)."""
    line = np.arange(_COARSE, dtype=np.float32) - (_COARSE - 1) / 2
    return np.repeat(line, _COARSE), np.tile(line, _COARSE)


def _ordered(channels: Floats) -> list[Floats]:
    places = [round(quantile * (channels.shape[2] - 1)) for quantile in _QUANTILES]
    ordered = np.partition(channels, places, axis=2)
    return [ordered[:, :, place] for place in places]


def _dark(channels: Floats, share: float) -> list[Floats]:
    """Return shape and colour of the region below a threshold of green: nucleus, cell or anything."""
    green = channels[:, 1]
    ordered = np.partition(green, (12, 518), axis=1)
    low, high = ordered[:, 12, None], ordered[:, 518, None]
    mask = (green <= low + share * (high - low)).astype(np.float32)
    area = mask.sum(axis=1, keepdims=True)
    weights = mask / np.maximum(area, 1)
    down, right = _places()
    middle = np.stack([weights @ down, weights @ right], axis=1)
    distance = weights @ (down * down + right * right) - (middle * middle).sum(axis=1)
    shape = np.stack(
        [area[:, 0] / mask.shape[1], _edge(mask), np.sqrt(np.maximum(distance, 0)), np.hypot(*middle.T)], axis=1
    )
    return [shape, np.einsum("ncp,np->nc", channels, weights)]


def _edge(mask: Floats) -> Floats:
    """Return the perimeter of a mask over the square root of its area: small if round."""
    square = mask.reshape(len(mask), _COARSE, _COARSE)
    length = np.abs(np.diff(square, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(square, axis=2)).sum(axis=(1, 2))
    return np.asarray(length / (np.sqrt(mask.sum(axis=1)) + 1), dtype=np.float32)


def _texture(image: Floats) -> Floats:
    side = image.shape[1]
    middle = slice(side // 4, 3 * side // 4)
    down, right = np.abs(np.diff(image, axis=1)), np.abs(np.diff(image, axis=2))
    bend = np.abs(_bend(image))
    inner = down[:, middle, middle] + right[:, middle, middle]
    return np.stack(
        [
            down.mean(axis=(1, 2)) + right.mean(axis=(1, 2)),
            inner.mean(axis=(1, 2)),
            inner.std(axis=(1, 2)),
            bend.mean(axis=(1, 2)),
            bend[:, middle, middle].mean(axis=(1, 2)),
        ],
        axis=1,
    )


def _bend(image: Floats) -> Floats:
    """Return the Laplacian of images (N, H, W), without the border."""
    sides = image[:, :-2, 1:-1] + image[:, 2:, 1:-1] + image[:, 1:-1, :-2] + image[:, 1:-1, 2:]
    return 4 * image[:, 1:-1, 1:-1] - sides


def _halved(image: Floats) -> Floats:
    count, side, _ = image.shape
    return np.asarray(image.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4)), dtype=np.float32)
