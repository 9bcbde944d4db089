import pytest
import torch

from cellcls.ops.imaging.corruptions import noise, occlusion
from cellcls.ops.imaging.corruptions.seeds import Seeds

COUNT = 20
SEEDS = Seeds(torch.arange(COUNT))


def flat(value, size=64):
    return torch.full((COUNT, 3, size, size), value)


def test_gaussian_noise_has_its_deviation_in_every_channel():
    added = noise.gaussian_noise(flat(0.5), 0.2, SEEDS) - 0.5
    assert added.mean((0, 2, 3)).abs().max() < 5e-3
    assert (added.std((0, 2, 3)) - 0.2).abs().max() < 3e-3
    assert torch.corrcoef(added.transpose(0, 1).flatten(1)).fill_diagonal_(0).abs().max() < 0.02


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_shot_noise_has_the_variance_of_counting(value):
    noisy = noise.shot_noise(flat(value), 25, SEEDS)
    assert noisy.mean() == pytest.approx(value, abs=2e-3)
    assert noisy.var().item() == pytest.approx(value / 25, rel=0.03, abs=1e-9)


def test_salt_and_pepper_are_as_many_and_whole_pixels():
    noisy = noise.salt_and_pepper(flat(0.5), 0.2, SEEDS)
    assert (noisy == noisy[:, :1]).all()
    for value in (0, 1):
        assert (noisy == value).float().mean().item() == pytest.approx(0.1, abs=0.005)


def test_boxes_cover_no_more_than_three_squares_of_their_share():
    changed = (occlusion.boxes(flat(0.5), 0.3, SEEDS) != 0.5).any(1).float().mean((1, 2))
    assert changed.min() > 0.15**2 / 2
    assert changed.max() < 3 * 0.33**2
    assert changed.std() > 0.01


def test_the_grid_blackens_the_square_of_its_share():
    changed = occlusion.grid(flat(0.5, 96), 0.5, SEEDS)
    assert set(changed.unique().tolist()) == {0.0, 0.5}
    assert (changed == 0).float().mean().item() == pytest.approx(0.25, abs=0.03)
