import math

import numpy as np
import pytest
import torch

from cellcls.ops.imaging.corruptions import fields, shifts
from cellcls.ops.imaging.corruptions.seeds import Seeds

SEEDS = Seeds.of(torch.rand(8, 2, generator=torch.Generator().manual_seed(0)))
GRAY = torch.full((8, 3, 48, 48), 0.5)


def test_a_field_has_the_same_shape_at_any_size():
    small, large = fields.field(SEEDS, 4, 24), fields.field(SEEDS, 4, 96)
    halved = torch.nn.functional.avg_pool2d(large, 4)
    assert (small - halved).abs().max() < 0.1 * large.std()


def test_light_is_gray_smooth_and_changes_by_its_strength():
    lit = shifts.uneven_light(GRAY, 0.3, SEEDS) / GRAY
    assert torch.equal(lit[:, 0], lit[:, 2])
    assert lit.max() < 1.3
    assert lit.min() > 0.7 * (1 - 0.75 * 0.3 * 1.4**2)
    assert (lit[..., 1:] - lit[..., :-1]).abs().max() < 0.03
    assert (lit.amax((1, 2, 3)) - lit.amin((1, 2, 3)) > 0.15).all()


def test_haze_covers_at_most_its_strength():
    dark, bright = shifts.haze(GRAY * 0, 0.4, SEEDS), shifts.haze(GRAY * 2, 0.4, SEEDS)
    kept = bright - dark  # what is left of the difference between white and black
    assert kept.min() >= 0.6
    assert kept.max() < 1
    assert (kept.amax((1, 2, 3)) - kept.amin((1, 2, 3)) > 0.05).all()


def test_speckle_multiplies_all_channels_by_noise_of_its_strength():
    grains = shifts.speckle(torch.ones(8, 3, 48, 48), 0.2, SEEDS)  # a knot a pixel
    assert torch.equal(grains[:, 0], grains[:, 1])
    assert grains.mean().item() == pytest.approx(1, abs=0.01)
    assert grains.std().item() == pytest.approx(0.2, abs=0.01)
    assert not shifts.speckle(GRAY * 0, 0.2, SEEDS).any()


def test_glass_moves_pixels_by_its_share_of_the_side():
    ramp = torch.arange(96.0).expand(8, 3, 96, 96)  # a pixel's value is its place
    moved = (shifts.glass(ramp, 2 / 96, SEEDS) - ramp)[..., 16:-16]
    assert moved.mean().item() == pytest.approx(0, abs=0.3)
    assert 1.2 < moved.std().item() < 2.2
    assert torch.equal(shifts.glass(ramp[:, :, :, :1].expand(8, 3, 96, 96), 0.03, SEEDS), torch.zeros(8, 3, 96, 96))


def test_a_cast_is_one_matrix_an_image_of_rows_that_sum_to_the_lamp():
    colours = torch.eye(3)[None, :, :, None].expand(8, 3, 3, 1)  # a column of red, green and blue
    matrices = shifts.cast(colours, 0.6, SEEDS)[..., 0]
    lamp = matrices.sum(2)
    assert lamp.min() > 1 - 0.6 / 2
    assert lamp.max() <= 1 + 1e-6
    assert (matrices >= 0).all()
    assert (torch.diagonal(matrices / lamp[:, :, None], dim1=1, dim2=2) >= 0.4 - 1e-6).all()
    assert len({tuple(row) for row in np.round(matrices.flatten(1).numpy(), 4).tolist()}) == 8


def test_more_dust_keeps_the_dust_there_is():
    few, many = shifts.dust(GRAY, 4, 1, SEEDS), shifts.dust(GRAY, 12, 3, SEEDS)
    black = few < 0.45
    assert (many[black] < 0.97).all()
    assert ((many - GRAY).abs() > 0.05).sum() > ((few - GRAY).abs() > 0.05).sum()
    clean = ((few - GRAY).abs() < 1e-3).float().mean().item()
    assert clean > 0.8
    assert math.isclose(few.min().item(), 0.5 * 0.15 + 0.08 * 0.85, abs_tol=0.02)
