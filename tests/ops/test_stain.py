from __future__ import annotations

import numpy as np
import pytest

from cellcls.ops.stain import optical_density, stain_vectors

PLANTED = [
    ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)),
    ((0.49, 0.84, 0.23), (0.25, 0.53, 0.81)),
    ((0.9, 0.3, 0.3), (0.3, 0.3, 0.9)),
]


def mixture(stains: np.ndarray, seed: int) -> np.ndarray:
    """Images of two stains in random amounts on a white ground, with noise of two grey levels."""
    rng = np.random.default_rng(seed)
    amounts = rng.exponential(0.7, (20, 64 * 64, 2)) * (rng.random((20, 64 * 64, 2)) < 0.6)
    light = 255 * np.exp(-amounts @ stains) + rng.normal(0, 2, (20, 64 * 64, 3))
    return np.clip(light, 0, 255).round().astype(np.uint8).reshape(20, 64, 64, 3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("planted", PLANTED)
def test_planted_stains_are_found_within_two_degrees(planted: tuple, seed: int):
    stains = np.array(planted) / np.linalg.norm(planted, axis=1, keepdims=True)
    found = stain_vectors(mixture(stains, seed))
    stains = stains[np.argsort(-stains[:, 0])]
    assert np.degrees(np.arccos(np.clip((found * stains).sum(1), -1, 1))).max() < 2


def test_they_are_unit_vectors_in_order():
    found = stain_vectors(np.random.default_rng(0).integers(0, 256, (4, 30, 30, 3), dtype=np.uint8))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert found[0, 0] >= found[1, 0]
    assert (found >= 0).all()


@pytest.mark.parametrize("level", [0, 255])
def test_without_stained_pixels_there_are_none_or_one_direction(level: int):
    found = stain_vectors(np.full((2, 20, 20, 3), level, np.uint8))
    assert found.shape == ((0, 3) if level == 255 else (2, 3))
    assert np.isfinite(found).all()


def test_density_of_white_and_black():
    assert optical_density(np.array([255], np.uint8))[0] == 0
    assert optical_density(np.array([0], np.uint8))[0] == pytest.approx(np.log(256))
