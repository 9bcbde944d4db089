import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from cellcls.ops.imaging.colour import from_uint8, luma
from cellcls.ops.imaging.corruptions import tones
from cellcls.ops.imaging.corruptions.seeds import Seeds
from cellcls.ops.rendering.cells import render

CELL = render(6, 2).image
COUNT = 40
IMAGES = from_uint8(torch.from_numpy(CELL[None])).repeat(COUNT, 1, 1, 1)
SEEDS = Seeds(torch.arange(COUNT))

ORACLES = [
    (tones.posterize, 3, lambda image: ImageOps.posterize(image, 3)),
    (tones.solarize, 0.5, lambda image: ImageOps.solarize(image, 128)),
    (tones.equalize, 1.0, ImageOps.equalize),
    (tones.autocontrast, 1.0, ImageOps.autocontrast),
]


@pytest.mark.parametrize(("change", "strength", "oracle"), ORACLES, ids=lambda value: getattr(value, "__name__", ""))
def test_tones_are_pillows(change, strength, oracle):
    wanted = np.asarray(oracle(Image.fromarray(CELL)), np.float64)
    ours = change(IMAGES[:1], strength, SEEDS)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - wanted).max() <= 1.01


def test_swapped_channels_are_the_old_ones_in_another_order():
    swapped = tones.swap_channels(IMAGES, 1.0, SEEDS)
    torch.testing.assert_close(swapped.sort(1).values, IMAGES.sort(1).values)
    assert (swapped != IMAGES).flatten(1).any(1).all()
    assert len(swapped.flatten(1).unique(dim=0)) == 5  # every other order comes up


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_invert_turns_so_many_channels(channels):
    inverted = tones.invert(IMAGES, channels, SEEDS)
    changed = (inverted != IMAGES).flatten(2).any(2)
    assert (changed.sum(1) == channels).all()
    torch.testing.assert_close(inverted[changed], 1 - IMAGES[changed])
    assert changed.any(0).all()


def test_drop_empties_one_channel():
    empty = (tones.drop_channel(IMAGES, 1.0, SEEDS) == 0).flatten(2).all(2)
    assert (empty.sum(1) == 1).all()
    assert empty.any(0).all()


def test_gray_and_hue_keep_luma():
    gray = tones.gray(IMAGES, 1.0, SEEDS)
    assert (gray.amax(1) - gray.amin(1)).max() < 1e-5
    for changed in (gray, tones.shift_hue(IMAGES, 90, SEEDS)):
        torch.testing.assert_close(luma(changed), luma(IMAGES), atol=1e-5, rtol=0)


def test_hue_turns_either_way_and_a_whole_number_of_degrees_is_no_integer_matrix():
    turned = tones.shift_hue(IMAGES, 30, SEEDS)
    assert len((turned * 1e4).round().flatten(1).unique(dim=0)) == 2
    torch.testing.assert_close(turned, tones.shift_hue(IMAGES, 30.0, SEEDS))
