"""Every class of kornia.augmentation: it works, each sample by itself, or it is named with the reason."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from cellcls.builtin.augmentations import Kornia
from cellcls.engine.pipeline import Pipeline
from cellcls.errors import RecipeError
from cellcls.ops.imaging.kornia_classes import arguments_of, offered, seeds_of
from cellcls.ops.rendering.cells import render

WORKS, EXCLUDED = offered()
COUNT = 48
"""Classes of kornia 0.9 that work."""
SIZE = 32
GIVEN: dict[str, dict[str, Any]] = {
    "ColorJiggle": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
    "ColorJitter": {"brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
    "RandomAffine": {"degrees": 30.0, "scale": (0.5, 2.0)},
    "RandomBrightness": {"brightness": (0.5, 1.5)},
    "RandomClahe": {"clip_limit": (2.0, 4.0), "grid_size": (4, 4)},
    "RandomContrast": {"contrast": (0.5, 1.5)},
    "RandomCrop": {"padding": 4},
    "RandomElasticTransform": {"kernel_size": (9, 9), "sigma": (4.0, 4.0)},
    "RandomFisheye": {"center_x": (-0.3, 0.3), "center_y": (-0.3, 0.3), "gamma": (0.9, 1.1)},
    "RandomGamma": {"gamma": (0.5, 2.0)},
    "RandomGaussianBlur": {"kernel_size": 5, "sigma": (0.1, 2.0)},
    "RandomHue": {"hue": (-0.3, 0.3)},
    "RandomMotionBlur": {"kernel_size": (3, 9), "angle": 90.0, "direction": 0.5},
    "RandomRain": {"number_of_drops": (20, 40), "drop_height": (3, 6), "drop_width": (-3, 3)},
    "RandomRotation": {"degrees": 90.0},
    "RandomRotation90": {"times": (1, 3)},
    "RandomSaturation": {"saturation": (0.3, 2.0)},
    "RandomShear": {"shear": 20.0},
    "RandomSnow": {"snow_coefficient": (0.3, 0.6), "brightness": (1.5, 2.0)},
    "RandomTranslate": {"translate_x": (-0.2, 0.2), "translate_y": (-0.2, 0.2)},
}
"""Arguments of classes that need some, or do nothing or too much by default."""


def cells(count: int = 4) -> torch.Tensor:
    images = np.stack([render(label, 5, size=SIZE).image for label in range(count)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous() / 255


def pipeline(name: str) -> Pipeline:
    return Pipeline([(1.0, Kornia(name=name, arguments=GIVEN.get(name, {})).build(size=SIZE))])


def state() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), str(np.random.get_state()), random.getstate()  # noqa: NPY002


def test_every_class_works_or_is_named_with_the_reason() -> None:
    assert not set(WORKS) & set(EXCLUDED)
    assert set(GIVEN) <= set(WORKS)
    assert len(WORKS) == COUNT
    assert all(EXCLUDED.values())


@pytest.mark.parametrize("name", WORKS)
def test_a_sample_does_not_depend_on_its_batch_nor_on_a_generator(name: str) -> None:
    images, targets = cells(), torch.eye(8)[:4]
    ids = torch.tensor([3, 2**33, 11, 5])
    apply = pipeline(name)
    before = state()
    whole, soft = apply(images, targets, seed=1, epoch=2, sample_ids=ids)
    assert state() == before, "a global generator has moved"
    assert torch.equal(soft, targets)
    assert whole.shape == images.shape
    assert bool(torch.isfinite(whole).all())
    torch.manual_seed(99)
    again, _ = apply(images, targets, seed=1, epoch=2, sample_ids=ids)
    assert torch.equal(whole, again)
    for rows in ([0], [1, 2], [3, 0, 2]):
        few, _ = apply(images[rows], targets[rows], seed=1, epoch=2, sample_ids=ids[rows])
        torch.testing.assert_close(few, whole[rows], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", WORKS)
def test_it_changes_cells(name: str) -> None:
    images = cells(8)
    changed, _ = pipeline(name)(images, torch.eye(8), seed=3, epoch=0, sample_ids=torch.arange(8))
    assert not torch.equal(changed, images)


def test_samples_get_different_draws() -> None:
    image = cells(1).repeat(16, 1, 1, 1)
    changed, _ = pipeline("RandomRotation")(image, torch.zeros(16, 8), seed=0, epoch=0, sample_ids=torch.arange(16))
    assert len({tuple(sample.flatten().tolist()) for sample in changed}) == 16


def test_seeds_hold_all_bits_of_two_draws() -> None:
    draws = torch.tensor([[0.0, 0.0], [2.0**-24, 0.5], [1 - 2.0**-24, 1 - 2.0**-24]])
    assert seeds_of(draws) == [0, (1 << 24) + (1 << 23), (1 << 48) - 1]


@pytest.mark.parametrize("name", WORKS)
def test_arguments_have_names_a_recipe_can_write(name: str) -> None:
    assert all(argument.isidentifier() for argument in arguments_of(name))
    assert not {"p", "same_on_batch", "keepdim", "p_batch"} & set(arguments_of(name))


def test_building_refuses_what_the_recipe_would() -> None:
    with pytest.raises(RecipeError, match="no argument `nonsense`"):
        Kornia(name="RandomGamma", arguments={"nonsense": 1}).build(size=SIZE)
