"""What the correlation of details overlooks, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from cellcls.ops.curation.detail_correlation import detail_correlation, detail_waves
from cellcls.ops.curation.perceptual import fingerprints
from cellcls.ops.rendering.cells import render


def thumbnails(*images: np.ndarray) -> np.ndarray:
    return fingerprints(np.stack(images)).thumbnails.astype(np.float32)


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    small = thumbnails(one, other)
    return float(detail_correlation(detail_waves(small[:1]), small[1:])[0])


@pytest.fixture(scope="module")
def cell() -> np.ndarray:
    return render(1, 5, size=96).image


def test_a_picture_is_like_itself(cell: np.ndarray):
    assert likeness(cell, cell) == pytest.approx(1, abs=1e-3)


def test_brightness_is_overlooked(cell: np.ndarray):
    assert likeness(cell, (cell * 0.8).astype(np.uint8)) > 0.98


@pytest.mark.parametrize("shift", [-4, -2, 1, 4])
def test_small_shifts_are_overlooked(cell: np.ndarray, shift: int):
    assert likeness(cell, np.roll(cell, (shift, -shift), axis=(0, 1))) > 0.85
    assert likeness(cell, np.roll(cell, 8 * shift, axis=1)) < 0.8


def test_other_cells_are_not_alike(cell: np.ndarray):
    assert all(likeness(cell, render(1, number, size=96).image) < 0.7 for number in range(6, 12))


def test_flat_pictures_are_like_nothing(cell: np.ndarray):
    flat = np.full_like(cell, 200)
    assert likeness(flat, flat) < 0.1
    assert likeness(cell, flat) < 0.1
