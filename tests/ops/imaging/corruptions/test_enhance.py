import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from skimage.color import hsv2rgb, rgb2hsv

from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.enhance import brightness, contrast, saturate
from cellcls.ops.rendering.cells import render

CELL = render(3, 1).image


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.4])
@pytest.mark.parametrize(("ours", "theirs"), [(brightness, ImageEnhance.Brightness), (contrast, ImageEnhance.Contrast)])
def test_brightness_and_contrast_are_pillows_within_rounding(ours, theirs, factor):
    wanted = np.asarray(theirs(Image.fromarray(CELL)).enhance(factor), np.float64)
    changed = ours(from_uint8(torch.from_numpy(CELL[None])), factor).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(changed - wanted).max() <= 1.01  # Pillow cuts, and rounds the mean


def test_contrast_takes_each_image_by_itself():
    images = torch.stack([torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), 0.9)])
    torch.testing.assert_close(contrast(images, 0.5), images)


@pytest.mark.parametrize("added", [0.05, 0.2, 1.0])
def test_saturate_is_scikit_images_hsv_gray_and_black_included(added):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    pixels[0], pixels[1], pixels[2] = 0, 128, 255
    hsv = rgb2hsv(pixels / 255)
    hsv[..., 1] = np.clip(hsv[..., 1] + added, 0, 1)
    ours = saturate(from_uint8(torch.from_numpy(pixels[None])), added)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - hsv2rgb(hsv)).max() < 1e-5
