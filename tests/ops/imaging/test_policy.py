from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from cellcls.builtin.augmentations.policies import OPERATIONS as NAMES
from cellcls.ops.imaging.policy import CHOICES, OPERATIONS, change
from cellcls.ops.rendering.cells import render

CELL = render(3, 11, size=48).image


def changed(name: str, strength: float) -> Tensor:
    """Return the cell (3, 48, 48) in 0..1 as the operation ``name`` leaves it."""
    image = torch.from_numpy(CELL).permute(2, 0, 1)[None] / 255
    return OPERATIONS[name](image, torch.tensor([strength]), torch.tensor([[0.3, 0.6]]))[0]


def as_uint8(image: Tensor) -> np.ndarray:
    return (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()


def test_the_names_are_those_of_the_operations():
    assert tuple(OPERATIONS) == NAMES
    assert len(NAMES) == 19


@pytest.mark.parametrize("name", NAMES)
def test_no_strength_changes_nothing_but_what_has_no_strength(name):
    same = np.abs(as_uint8(changed(name, 0.0)).astype(int) - CELL).max() <= 1
    assert same == (name not in ("autocontrast", "equalize"))


def test_white_is_not_inverted_at_no_strength():
    white = torch.ones(1, 3, 4, 4)
    assert torch.equal(OPERATIONS["solarize"](white, torch.zeros(1), torch.zeros(1, 2)), white)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"identity"}))
def test_full_strength_changes_the_picture_in_both_directions(name):
    up, down = (as_uint8(changed(name, sign)).astype(int) for sign in (1.0, -1.0))
    assert np.abs(up - CELL).mean() > 1
    assert np.abs(down - CELL).mean() > 1
    without_sign = {"posterize", "solarize", "autocontrast", "equalize", "blur", "noise"}
    assert np.array_equal(up, down) == (name in without_sign)


@pytest.mark.parametrize(
    ("name", "strength", "pillow"),
    [
        ("autocontrast", 0.5, ImageOps.autocontrast),
        ("equalize", 0.5, ImageOps.equalize),
        ("posterize", 1.0, lambda image: ImageOps.posterize(image, 2)),
        ("posterize", 0.5, lambda image: ImageOps.posterize(image, 5)),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("sharpness", 1 / 0.99, lambda image: ImageEnhance.Sharpness(image).enhance(2)),
        ("sharpness", -1 / 0.99, lambda image: ImageEnhance.Sharpness(image).enhance(0)),
        ("brightness", 0.5 / 0.99, lambda image: ImageEnhance.Brightness(image).enhance(1.5)),
        ("saturation", -1 / 0.99, lambda image: ImageEnhance.Color(image).enhance(0)),
    ],
)
def test_it_is_what_pillow_does(name, strength, pillow):
    expected = np.asarray(pillow(Image.fromarray(CELL))).astype(int)
    difference = np.abs(as_uint8(changed(name, strength)).astype(int) - expected)
    assert (difference <= 2).mean() > 0.995


def test_each_operation_is_chosen_as_often_with_either_sign():
    names = ("brightness", "identity")
    draws = torch.rand(4000, CHOICES, generator=torch.Generator().manual_seed(0))
    gray = torch.full((4000, 3, 4, 4), 0.5)
    made = change(gray, names, draws, torch.full((4000,), 0.5))[:, 0, 0, 0]
    shares = [(made < 0.4).double().mean(), (made == 0.5).double().mean(), (made > 0.6).double().mean()]
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.03)
