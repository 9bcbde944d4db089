import kornia
import pytest
import torch

from cellcls.ops.imaging.geometry import compose, crop, flip, quarter_turns, rotation, translation, warp


@pytest.fixture
def images():
    return torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def test_flips_are_exact(images):
    torch.testing.assert_close(warp(images, flip("horizontal", 4)), images.flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(warp(images, flip("vertical", 4)), images.flip(2), atol=1e-5, rtol=0)


def test_quarter_turns_are_exact(images):
    turned = warp(images, quarter_turns(torch.arange(4)))
    for number in range(4):
        torch.testing.assert_close(turned[number], images[number].rot90(number, (1, 2)), atol=1e-5, rtol=0)


def test_rotation_by_ninety_degrees_is_a_quarter_turn(images):
    degrees = torch.tensor([0.0, 90.0, 180.0, -90.0])
    torch.testing.assert_close(rotation(degrees), quarter_turns(torch.arange(4)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("padding", ["reflection", "border", "zeros"])
def test_rotation_agrees_with_kornia(images, padding):
    degrees = torch.tensor([10.0, -33.0, 120.0, 179.0])
    centre = torch.full((4, 2), 11.5)  # Kornia counts pixels from the first one's centre
    matrix = kornia.geometry.get_rotation_matrix2d(centre, degrees, torch.ones(4, 2))
    oracle = kornia.geometry.warp_affine(images, matrix, (24, 24), padding_mode=padding, align_corners=False)
    inside = warp(images, rotation(degrees), padding)
    torch.testing.assert_close(inside[..., 6:18, 6:18], oracle[..., 6:18, 6:18], atol=1e-4, rtol=0)


def test_translation_by_whole_pixels_moves_right_and_down_and_mirrors_the_edge(images):
    moved = warp(images, translation(torch.full((4,), 3 / 24), torch.full((4,), 5 / 24)))
    torch.testing.assert_close(moved[..., 5:, 3:], images[..., :-5, :-3], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[..., 5:, :3], images[..., :-5, :3].flip(-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)])
def test_crop_shows_the_part_in_full_size(images, x, y):
    shown = warp(images, crop(torch.full((4,), 0.5), torch.full((4,), x), torch.full((4,), y)))
    left, top = int(12 * x), int(12 * y)
    part = images[..., top : top + 12, left : left + 12]
    oracle = torch.nn.functional.interpolate(part, size=(24, 24), mode="bilinear", align_corners=False)
    torch.testing.assert_close(shown[..., 2:-2, 2:-2], oracle[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_the_first_of_composed_matrices_acts_first(images):
    first, second = translation(torch.full((4,), 0.25), torch.zeros(4)), quarter_turns(torch.ones(4, dtype=torch.int64))
    at_once = warp(images, compose(first, second))
    torch.testing.assert_close(at_once, warp(warp(images, first), second), atol=1e-5, rtol=0)
    assert (at_once - warp(images, compose(second, first))).abs().max() > 0.1


def test_nothing_is_black_beyond_the_edge(images):
    bright = images * 0.5 + 0.5
    assert warp(bright, rotation(torch.full((4,), 45.0))).min() >= 0.5 - 1e-5
    assert warp(bright, rotation(torch.full((4,), 45.0)), "zeros").min() == 0
