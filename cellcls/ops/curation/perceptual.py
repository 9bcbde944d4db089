"""Perceptual fingerprints, nearly invariant to rotations, flips, shifts, slight crops, JPEG and brightness.

The discrete cosine transform of the grey image covers all eight symmetries of the square: a flip negates odd
coefficients, a transposition transposes them. Hence magnitudes sorted over (u, v) and (v, u) are invariant to
orientation, and the signs reveal which symmetry maps an image onto another. Magnitudes of the windowed Fourier
transform are also invariant to shifts, and the sorted colours of an image to any spatial change. The concatenation of
all three is the descriptor, in which two images of a cell are close (``near_copies`` then compares the images).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from cellcls.ops.processes.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

THUMBNAIL = 48
"""Side of the grey thumbnails by which near copies are verified."""
ORIENTING = 6
"""Number of coefficients per side that determine the symmetry."""
_SIDE = 32
_COSINES = 5
_WAVES = 8
_COLOUR_SIDE = 24
_QUANTILES = np.arange(0.05, 1, 0.1)
_WEIGHTS = (1.0, 0.7, 1.5)
"""Weights of cosines, colours and waves, chosen on planted copies (``benchmarks/audit_copies.py``)."""
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Weights of red, green and blue in a grey value (ITU-R BT.601)."""


@attrs.frozen(eq=False)
class Fingerprints:
    """The data by which near copies among N images are found, about 3 kB per image."""

    descriptors: Floats
    """(N, D): near copies have close descriptors, in any of the eight orientations."""
    cosines: Floats
    """(N, 6, 6) signed DCT coefficients without the mean, with norm 1."""
    thumbnails: NDArray[np.uint8]
    """(N, 48, 48) grey."""

    def __len__(self) -> int:
        return len(self.descriptors)

    def take(self, indices: NDArray[np.int64]) -> Fingerprints:
        """Return the fingerprints of the images at ``indices`` (M,)."""
        return Fingerprints(self.descriptors[indices], self.cosines[indices], self.thumbnails[indices])

    @classmethod
    def joined(cls, parts: Sequence[Fingerprints]) -> Fingerprints:
        """Concatenate the fingerprints of several batches or data sets."""
        names = ("descriptors", "cosines", "thumbnails")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def fingerprints(images: NDArray[np.uint8]) -> Fingerprints:
    """Return the fingerprints of images (N, H, W, 3) uint8 of at least 1 x 1 pixels."""
    grey = images.astype(np.float32) @ GREY
    height, width = grey.shape[1:]
    small = area_matrix(height, _SIDE) @ grey @ area_matrix(width, _SIDE).T
    matrix = _cosine_matrix(_SIDE, ORIENTING)
    signed: Floats = np.asarray(matrix @ small @ matrix.T, dtype=np.float32)
    signed[:, 0, 0] = 0
    thumbnails = area_matrix(height, THUMBNAIL) @ grey @ area_matrix(width, THUMBNAIL).T
    parts = (_cosine_part(signed), _colour_part(images), _wave_part(small))
    return Fingerprints(
        descriptors=np.concatenate([weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)], axis=1),
        cosines=unit(signed, axes=(1, 2)),
        thumbnails=np.clip(np.rint(thumbnails), 0, 255).astype(np.uint8),
    )


def read_fingerprints(
    read: Callable[[NDArray[np.intp]], NDArray[np.uint8]], indices: NDArray[np.int64], *, batch: int = 64
) -> Fingerprints:
    """Return the fingerprints of the images at ``indices``, read in batches."""
    starts = range(0, max(len(indices), 1), batch)
    return Fingerprints.joined(list(in_parallel(fingerprints, (read(indices[i : i + batch]) for i in starts))))


def unit(values: Floats, axes: tuple[int, ...], floor: float = 1e-6) -> Floats:
    """Return ``values`` divided by their norm over ``axes``, or by ``floor`` if the norm is smaller."""
    norm = np.sqrt((values * values).sum(axes, keepdims=True))
    return np.asarray(values / np.maximum(norm, np.float32(floor)), dtype=np.float32)


def orientations(cosines: Floats) -> Floats:
    """Return the coefficients (N, 8, k, k) under the eight symmetries of images with coefficients (N, k, k).

    Symmetry 4 t + 2 y + x transposes (t), then flips vertically (y) and horizontally (x): see ``oriented``.
    """
    signs = np.where(np.arange(cosines.shape[1]) % 2, -1, 1).astype(np.float32)
    variants = []
    for symmetry in range(8):
        turned = cosines.transpose(0, 2, 1) if symmetry & 4 else cosines
        turned = turned * signs[:, None] if symmetry & 2 else turned
        variants.append(turned * signs if symmetry & 1 else turned)
    return np.stack(variants, axis=1)


def oriented(images: NDArray[Any], symmetry: int) -> NDArray[Any]:
    """Return images (N, S, S) under one of the eight symmetries of the square."""
    turned = images.transpose(0, 2, 1) if symmetry & 4 else images
    turned = turned[:, ::-1] if symmetry & 2 else turned
    return turned[:, :, ::-1] if symmetry & 1 else turned


@cache
def area_matrix(size: int, to: int) -> Floats:
    """Return the matrix (to, size) that resamples a line by averaging over equal intervals."""
    edges = np.linspace(0, size, to + 1)
    starts = np.arange(size)
    ends = np.minimum.outer(edges[1:], starts + 1)
    overlap = ends - np.maximum.outer(edges[:-1], starts)
    weights = np.clip(overlap, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def _cosine_matrix(size: int, count: int) -> Floats:
    """Return the first ``count`` rows of the orthonormal DCT-II (Ahmed, Natarajan, Rao 1974)."""
    angles = np.pi * (np.arange(size) + 0.5) * np.arange(count)[:, None] / size
    matrix = np.cos(angles) * np.sqrt(2 / size)
    matrix[0] = np.sqrt(1 / size)
    return np.asarray(matrix, dtype=np.float32)


def _cosine_part(signed: Floats) -> Floats:
    sizes = np.abs(signed[:, :_COSINES, :_COSINES])
    rows, columns = np.triu_indices(_COSINES, 1)
    upper, lower = sizes[:, rows, columns], sizes[:, columns, rows]
    diagonal = sizes[:, np.arange(1, _COSINES), np.arange(1, _COSINES)]
    return unit(np.concatenate([np.maximum(upper, lower), np.minimum(upper, lower), diagonal], axis=1), (1,), floor=1)


def _colour_part(images: NDArray[np.uint8]) -> Floats:
    """Return quantiles of each channel, divided by the median brightness (N, 30)."""
    _, height, width, _ = images.shape
    rows = np.minimum(np.arange(_COLOUR_SIDE * 2) * height // (_COLOUR_SIDE * 2), height - 1)
    columns = np.minimum(np.arange(_COLOUR_SIDE * 2) * width // (_COLOUR_SIDE * 2), width - 1)
    sampled = images[:, rows][:, :, columns].reshape(len(images), _COLOUR_SIDE, 2, _COLOUR_SIDE, 2, 3)
    small = sampled.sum((2, 4), dtype=np.uint16).reshape(len(images), _COLOUR_SIDE**2, 3)
    ordered = np.sort(small.transpose(0, 2, 1), axis=2)
    picked = ordered[:, :, (_QUANTILES * ordered.shape[2]).astype(int)].reshape(len(images), 3 * len(_QUANTILES))
    middle = np.median(small.sum(2, dtype=np.uint16), axis=1)[:, None] / 3
    return np.asarray(picked / (middle + 4), dtype=np.float32)


def _wave_part(small: Floats) -> Floats:
    """Return magnitudes of low frequencies, sorted within each orbit of the symmetries (N, 106)."""
    level = small / (small.mean((1, 2), keepdims=True) + 1) - 1
    window = np.hanning(_SIDE + 2)[1:-1].astype(np.float32)
    sizes = np.abs(np.fft.rfft2(level * np.outer(window, window)))
    exchanged = [
        np.sort(np.stack([sizes[:, y, x] for y, x in places], axis=1), axis=1) for places in _exchanged_waves()
    ]
    return unit(np.asarray(np.sqrt(np.concatenate(exchanged, axis=1)), dtype=np.float32), (1,), floor=0.1)


def _exchanged_waves() -> list[list[tuple[int, int]]]:
    """Return the low frequencies (y, x), grouped by orbit of the symmetries."""
    waves = [(u, v) for u in range(_WAVES + 1) for v in range(max(u, 1), _WAVES + 1)]
    return [
        sorted({(u, v), (-u, v), (v, u), (-v, u)} if u else {(0, v), (v, 0)})
        for u, v in waves
        if u * u + v * v <= _WAVES * _WAVES + 1
    ]
