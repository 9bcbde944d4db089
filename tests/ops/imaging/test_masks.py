"""scikit-image is the oracle of Otsu's threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.filters import threshold_otsu
from skimage.measure import label

from cellcls.ops.classes import CLASSES
from cellcls.ops.imaging.masks import MIDDLE, cell_mask, otsu_threshold
from cellcls.ops.rendering.cells import render


def between(values: np.ndarray, level: int) -> float:
    """Return the variance between the two sides of a level: what Otsu makes large."""
    low, high = values[values <= level].astype(float), values[values > level].astype(float)
    if not len(low) or not len(high):
        return 0.0
    return len(low) * len(high) / len(values) ** 2 * (low.mean() - high.mean()) ** 2


pixels = arrays(np.uint8, st.integers(2, 60), elements=st.integers(0, 255))


@given(pixels.filter(lambda values: len(np.unique(values)) > 1))
def test_the_threshold_parts_as_well_as_scikit_images(values: np.ndarray) -> None:
    found = otsu_threshold(values)
    assert 0 <= found <= 255
    assert between(values, found) == pytest.approx(between(values, int(threshold_otsu(values))))


@given(pixels.filter(lambda values: len(np.unique(values)) > 1))
def test_both_sides_have_pixels(values: np.ndarray) -> None:
    level = otsu_threshold(values)
    assert (values <= level).any()
    assert (values > level).any()


@pytest.mark.parametrize("level", [0, 7, 255])
def test_a_constant_picture_has_its_own_level(level: int) -> None:
    assert otsu_threshold(np.full((4, 4), level, np.uint8)) == level


def test_two_levels_part_between_them() -> None:
    values = np.array([10] * 30 + [200] * 5, np.uint8)
    assert 10 <= otsu_threshold(values) < 200


def test_a_dark_nucleus_is_found_and_a_red_cell_is_not() -> None:
    image = np.full((32, 32, 3), 235, np.uint8)
    image[2:12, 2:12] = (225, 180, 180)  # a red blood cell: pale in green
    image[14:28, 10:26] = (110, 60, 150)  # a stained nucleus
    expected = np.zeros((32, 32), bool)
    expected[14:28, 10:26] = True
    np.testing.assert_array_equal(cell_mask(image), expected)


def test_the_mask_is_as_large_as_the_picture() -> None:
    mask = cell_mask(np.random.default_rng(0).integers(0, 256, (5, 9, 3), np.uint8))
    assert (mask.shape, mask.dtype) == ((5, 9), bool)


def test_red_cells_as_dark_as_a_platelet_stay_outside() -> None:
    found = [render(CLASSES.index("platelet"), 5_000 + number, size=96) for number in range(12)]
    shares = [(mask := cell_mask(one.image))[one.mask].sum() / mask.sum() for one in found]
    assert np.mean(shares) > 0.6  # 0.16 by the threshold alone


def test_the_parts_that_reach_the_middle_are_those_of_scikit_image() -> None:
    for number in range(8):
        image = render(number, 6_000 + number, size=64).image
        green = image[..., 1]
        parts = label(green <= otsu_threshold(green), connectivity=1)
        y, x = np.mgrid[:64, :64] / 63 - 0.5
        reached = set(parts[y**2 + x**2 <= MIDDLE**2]) - {0}
        expected = np.isin(parts, list(reached)) if reached else parts > 0
        np.testing.assert_array_equal(cell_mask(image), expected)


def test_where_nothing_dark_is_in_the_middle_all_of_it_counts() -> None:
    image = np.full((32, 32, 3), 235, np.uint8)
    image[2:8, 2:8] = 60
    assert cell_mask(image).sum() == 36
