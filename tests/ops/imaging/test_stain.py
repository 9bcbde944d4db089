from __future__ import annotations

import numpy as np
import pytest

from cellcls.ops.imaging.stain import optical_density, stain_amounts, stain_vectors

PLANTED = [
    ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)),
    ((0.49, 0.84, 0.23), (0.25, 0.53, 0.81)),
    ((0.9, 0.3, 0.3), (0.3, 0.3, 0.9)),
]
PIXELS = (20 * 64 * 64, 2)


def alone_often(rng: np.random.Generator) -> np.ndarray:
    return rng.exponential(0.7, PIXELS) * (rng.random(PIXELS) < 0.6)


def alone_in_three_of_a_hundred(rng: np.random.Generator) -> np.ndarray:
    amounts, drawn = rng.gamma(2, 0.35, PIXELS), rng.random(PIXELS[0])
    amounts[drawn < 0.03, 0] = 0
    amounts[drawn > 0.97, 1] = 0
    return amounts


def mixed_everywhere(rng: np.random.Generator) -> np.ndarray:
    """Every pixel holds both; one in some hundred hardly any of one."""
    return rng.exponential(0.7, PIXELS)


def mixed_at_least(share: float, rng: np.random.Generator) -> np.ndarray:
    """No pixel's mixture has less than ``share`` of either."""
    first = rng.uniform(share, 1 - share, PIXELS[0])
    return np.stack([first, 1 - first], 1) * rng.uniform(0.3, 1.6, (PIXELS[0], 1))


def unit(vectors: tuple) -> np.ndarray:
    found = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found[np.argsort(-found[:, 0])]


def mixture(stains: np.ndarray, amounts: np.ndarray, seed: int) -> np.ndarray:
    """Images of two stains in these amounts, with noise of two grey levels."""
    light = 255 * np.exp(-amounts @ stains) + np.random.default_rng(seed).normal(0, 2, (len(amounts), 3))
    return np.clip(light, 0, 255).round().astype(np.uint8).reshape(-1, 64, 64, 3)


def degrees(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("mixed", [alone_often, alone_in_three_of_a_hundred, mixed_everywhere])
@pytest.mark.parametrize("planted", PLANTED)
def test_planted_stains_are_found_within_two_degrees(planted: tuple, mixed, seed: int):
    stains = unit(planted)
    found = stain_vectors(mixture(stains, mixed(np.random.default_rng(seed)), seed))
    assert degrees(found, stains).max() < 2


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("planted", PLANTED)
def test_where_all_is_mixed_the_purest_mixture_is_found(planted: tuple, share: float):
    stains = unit(planted)
    found = stain_vectors(mixture(stains, mixed_at_least(share, np.random.default_rng(0)), 0))
    purest = unit((stains[0] * (1 - share) + stains[1] * share, stains[1] * (1 - share) + stains[0] * share))
    assert degrees(found, purest).max() < 2


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


def test_amounts_are_those_planted():
    """In each image a tenth of the pixels holds the full amount of a stain alone, the others less; one has none."""
    stains = unit(PLANTED[1])
    amounts = np.zeros((3, 64 * 64, 2))
    for image, full in enumerate(((1.5, 0.9), (1.7, 0.8), (0, 0))):
        amounts[image, :400, 0], amounts[image, 400:800, 0] = full[0], 0.5 * full[0]
        amounts[image, 800:1200, 1], amounts[image, 1200:1600, 1] = full[1], 0.9 * full[1]
    light = (255 * np.exp(-amounts @ stains)).round().astype(np.uint8).reshape(3, 64, 64, 3)
    np.testing.assert_allclose(stain_amounts(light, stains), (1.6, 0.85), atol=0.02)
    assert (stain_amounts(light[2:], stains) == 0).all()
