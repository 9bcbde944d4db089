"""Correlation of the details of two images, independent of brightness, maximised over small shifts and scales."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcls.ops.curation.perceptual import THUMBNAIL, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Waves = NDArray[np.complex64]

_SCALES = (1 / 1.05, 1.05)
_UNDECIDED = (0.45, 0.9)
"""Other scales are tried only for correlations in this range: crops of 5% reach 0.55 at the same scale."""
_SHIFTS = np.arange(-2, 2.5, 0.5)
_DETAIL = 2.2
"""Standard deviation, in pixels of a thumbnail, of the blur that separates shape from detail."""
_NOISE = 2.0
"""Assumed noise, in grey levels."""


def detail_correlation(waves: Waves, theirs: NDArray[Any]) -> Floats:
    """Return the maximum correlation (P,) of the details of thumbnails over shifts up to 2 pixels and three scales.

    ``waves`` (P, S, S / 2 + 1): ``detail_waves`` of the first thumbnails; ``theirs`` (P, S, S): the second ones.
    """
    best = _best_shift(waves, detail_waves(theirs))
    low, high = _UNDECIDED
    undecided = np.flatnonzero((best > low) & (best < high))
    for scale in _SCALES:
        zoom = _zoom_matrix(scale)
        zoomed = detail_waves(zoom @ theirs[undecided] @ zoom.T)
        best[undecided] = np.maximum(best[undecided], _best_shift(waves[undecided], zoomed))
    return best


def detail_waves(images: NDArray[Any]) -> Waves:
    """Return the spectrum of the details of thumbnails (N, S, S), in the layout of ``rfft2``."""
    return np.fft.rfft2(_details(images)).astype(np.complex64)


def _best_shift(ours: Waves, theirs: Waves) -> Floats:
    down, across = _shift_matrices()
    shifted = ((ours * np.conj(theirs)) @ across).transpose(0, 2, 1) @ down
    return np.asarray(shifted.real.max(axis=(1, 2)), dtype=np.float32)


def _details(images: NDArray[Any]) -> Floats:
    """Return the high-pass filtered images divided by their local strength, windowed, with norm 1 (P, S, S).

    Dividing by local strength gives faint texture as much weight as the dark edge of a nucleus, which all cells have.
    The assumed noise and the floor of the norm keep flat images from appearing similar.
    """
    blur = _blur_matrix()
    fine = images - blur @ images @ blur.T
    strength = np.sqrt(np.maximum(blur @ (fine * fine) @ blur.T, 0))
    faded = fine / (strength + _NOISE) * _window()
    faded -= faded.mean(axis=(1, 2), keepdims=True)
    return unit(faded, (1, 2), floor=THUMBNAIL / 8)


@cache
def _window() -> Floats:
    line = np.sqrt(np.hanning(THUMBNAIL + 2)[1:-1])
    return np.asarray(line[:, None] * line, dtype=np.float32)


@cache
def _blur_matrix() -> Floats:
    place = np.arange(THUMBNAIL)
    weights = np.exp(-0.5 * ((place[:, None] - place) / _DETAIL) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@cache
def _zoom_matrix(scale: float) -> Floats:
    """Return the matrix that scales a line about its centre with linear interpolation."""
    middle = (THUMBNAIL - 1) / 2
    place = np.clip((np.arange(THUMBNAIL) - middle) / scale + middle, 0, THUMBNAIL - 1)
    left = np.minimum(place.astype(int), THUMBNAIL - 2)
    matrix = np.zeros((THUMBNAIL, THUMBNAIL), dtype=np.float32)
    matrix[np.arange(THUMBNAIL), left] = 1 - (place - left)
    matrix[np.arange(THUMBNAIL), left + 1] += place - left
    return matrix


@cache
def _shift_matrices() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return the inverse Fourier transform at the shifts only, half pixels included.

    Down (S, s) and across (S / 2 + 1, s), for a spectrum in the layout of ``rfft2``.
    """
    down = np.exp(2j * np.pi * np.fft.fftfreq(THUMBNAIL)[:, None] * _SHIFTS) / THUMBNAIL
    half = np.fft.rfftfreq(THUMBNAIL)
    twice = np.where((half > 0) & (half < 0.5), 2, 1)[:, None]
    across = twice * np.exp(2j * np.pi * half[:, None] * _SHIFTS) / THUMBNAIL
    return down.astype(np.complex64), across.astype(np.complex64)
