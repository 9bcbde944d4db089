from __future__ import annotations

from typing import get_args

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cellcls.ops.imaging.fitting import Fit, Interpolation, fit

RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (9, 12, 3), dtype=np.uint8)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 24),
    st.sampled_from(get_args(Interpolation)), st.sampled_from(get_args(Fit)),
)  # fmt: skip
def test_fit_gives_the_size_and_keeps_one_colour(
    height: int, width: int, size: int, interpolation: Interpolation, how: Fit
) -> None:
    image = np.full((height, width, 3), (10, 200, 77), dtype=np.uint8)
    fitted = fit(image, size, interpolation, how)
    assert fitted.shape == (size, size, 3)
    assert (fitted == (10, 200, 77)).all()


def test_fit_leaves_an_image_of_the_right_size_as_it_is() -> None:
    square = PIXELS[:, :9]
    for how in get_args(Fit):
        np.testing.assert_array_equal(fit(square, 9, how=how), square)


def test_crop_takes_the_middle_and_pad_keeps_all() -> None:
    np.testing.assert_array_equal(fit(PIXELS, 9, how="crop"), PIXELS[:, 1:10])
    np.testing.assert_array_equal(fit(PIXELS, 12, how="pad")[1:10], PIXELS)
    stripes = np.zeros((10, 20, 3), dtype=np.uint8)
    stripes[:, 10:] = 200
    assert (fit(stripes, 10, how="stretch")[:, [0, -1], 0] == [0, 200]).all()


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 40), st.sampled_from(get_args(Fit)))
def test_center_crop_sees_the_middle_only(height: int, width: int, side: int, how: Fit) -> None:
    image = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    top, left = (height - min(side, height)) // 2, (width - min(side, width)) // 2
    middle = image[top : top + side, left : left + side]
    np.testing.assert_array_equal(fit(image, 8, how=how, center_crop=side), fit(middle, 8, how=how))


def test_the_filters_are_pillows() -> None:
    image = Image.fromarray(PIXELS)
    for name, resampling in (
        ("nearest", Image.Resampling.NEAREST),
        ("bilinear", Image.Resampling.BILINEAR),
        ("bicubic", Image.Resampling.BICUBIC),
    ):
        resized = np.asarray(image.resize((4, 4), resampling))
        np.testing.assert_array_equal(fit(PIXELS, 4, name, "stretch"), resized)
