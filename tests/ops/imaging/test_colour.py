import math

import kornia
import numpy as np
import pytest
import torch
from skimage.color import rgb2yiq, yiq2rgb

from cellcls.ops.imaging.colour import (
    brightness,
    contrast,
    from_uint8,
    homogeneous,
    hue,
    luma,
    recolour,
    saturation,
)
from cellcls.ops.imaging.geometry import compose


@pytest.fixture
def images():
    return torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0))


VALUES = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.0])


def in_yiq(images, change):
    """Apply ``change(index, y, i, q) -> (y, i, q)`` with skimage's conversion."""
    changed = []
    for index, image in enumerate(images.permute(0, 2, 3, 1).double().numpy()):
        yiq = rgb2yiq(image)
        changed.append(yiq2rgb(np.stack(change(index, *np.moveaxis(yiq, -1, 0)), axis=-1)))
    return torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).float()


def test_hue_turns_chroma(images):
    degrees = torch.tensor([0.0, 20.0, -20.0, 90.0, 180.0])

    def turn(index, y, i, q):
        angle = math.radians(degrees[index])
        return y, math.cos(angle) * i - math.sin(angle) * q, math.sin(angle) * i + math.cos(angle) * q

    torch.testing.assert_close(recolour(images, hue(degrees)), in_yiq(images, turn), atol=1e-5, rtol=0)


def test_saturation_multiplies_chroma(images):
    oracle = in_yiq(images, lambda index, y, i, q: (y, float(VALUES[index]) * i, float(VALUES[index]) * q))
    torch.testing.assert_close(recolour(images, saturation(VALUES)), oracle, atol=1e-5, rtol=0)


@pytest.mark.parametrize("matrix", [hue(90 * VALUES), saturation(VALUES)], ids=["hue", "saturation"])
def test_gray_and_luma_stay(images, matrix):
    gray = images[:, :1].expand(-1, 3, -1, -1).contiguous()
    torch.testing.assert_close(recolour(gray, matrix), gray, atol=1e-6, rtol=0)
    torch.testing.assert_close(luma(recolour(images, matrix)), luma(images), atol=1e-6, rtol=0)


def test_brightness_agrees_with_kornia(images):
    oracle = kornia.enhance.adjust_brightness_accumulative(images, VALUES)
    torch.testing.assert_close(recolour(images, brightness(VALUES)).clamp(0, 1), oracle, atol=1e-6, rtol=0)


def test_contrast_turns_about_middle_gray(images):
    oracle = (images - 0.5) * VALUES[:, None, None, None] + 0.5
    torch.testing.assert_close(recolour(images, contrast(VALUES)), oracle, atol=1e-6, rtol=0)


def test_composed_matrices_act_from_right_to_left(images):
    first, second = contrast(VALUES), brightness(VALUES.flip(0))
    at_once = recolour(images, compose(homogeneous(second), homogeneous(first)))
    torch.testing.assert_close(at_once, recolour(recolour(images, first), second), atol=1e-6, rtol=0)


def test_bytes_become_floats_in_0_to_1():
    values = torch.arange(192, dtype=torch.uint8).reshape(1, 8, 8, 3)
    images = from_uint8(values)
    assert images.is_contiguous()
    assert torch.equal(images, values.permute(0, 3, 1, 2) / 255)
