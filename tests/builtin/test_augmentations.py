import subprocess
import sys

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcls.api import Augmentation, Batch, Colour, Geometric
from cellcls.builtin import augmentations
from cellcls.engine.pipeline import Pipeline
from cellcls.errors import RecipeError

APART = {augmentations.Mixup, augmentations.CutMix, augmentations.Kornia}
"""Tested in ``tests/engine/test_step.py`` (they need partners) and ``test_kornia_class.py``."""
CLASSES = [cls for name in augmentations.__all__ if (cls := getattr(augmentations, name)) not in APART]
EXTREMES = {
    augmentations.Hue: [{"degrees": 0}, {"degrees": 180}],
    augmentations.Saturation: [{"strength": 0}, {"strength": 1}],
    augmentations.Brightness: [{"strength": 0}, {"strength": 1}],
    augmentations.Contrast: [{"strength": 0}, {"strength": 1}],
    augmentations.Flip: [{"axis": "horizontal", "p": 1}, {"axis": "vertical", "p": 1}],
    augmentations.QuarterTurn: [{}],
    augmentations.Rotate: [{"degrees": 0}, {"degrees": 180}],
    augmentations.Translate: [{"share": 0}, {"share": 1}],
    augmentations.Crop: [{"min_side": 1e-3}, {"min_side": 1}],
    augmentations.Clahe: [
        {"clip_limit": 1, "tiles": 1},
        {"clip_limit": 1, "tiles": 8},
        {"clip_limit": 1e6, "tiles": 8},
    ],
    augmentations.Downscale: [
        {"min_scale": 0.04, "max_scale": 0.04},
        {"min_scale": 1, "max_scale": 1},
        {"min_scale": 0.04, "max_scale": 1},
    ],
    augmentations.Blur: [{"min_kernel": 1, "max_kernel": 31}, {"min_kernel": 31, "max_kernel": 31}],
}
CASES = [
    pytest.param(cls, chosen, id=f"{cls.component_name}-{chosen}") for cls, all_ in EXTREMES.items() for chosen in all_
]


def test_every_augmentation_is_tried():
    assert set(EXTREMES) == set(CLASSES)


@pytest.mark.parametrize(("cls", "chosen"), CASES)
@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 1000),
    first=st.integers(0, 2**40),
    content=st.sampled_from(["noise", "black", "white", "edge"]),
)
def test_extreme_settings_keep_shape_and_range_and_do_not_depend_on_the_batch(cls, chosen, seed, epoch, first, content):
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    images = {"noise": images, "black": images * 0, "white": images * 0 + 1, "edge": images.round()}[content]
    targets, ids = torch.eye(5), torch.arange(first, first + 5)
    component = cls(**chosen)
    pipeline = Pipeline([(component.p, component.build(size=32))])
    changed, changed_targets = pipeline(images, targets, seed=seed, epoch=epoch, sample_ids=ids)
    assert changed.shape == images.shape
    assert changed.isfinite().all()
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(changed_targets, targets)
    alone, _ = pipeline(images[3:4], targets[3:4], seed=seed, epoch=epoch, sample_ids=ids[3:4])
    torch.testing.assert_close(alone, changed[3:4], atol=1e-6, rtol=0)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.component_name)
def test_defaults_change_the_picture_but_not_beyond_recognition(cls):
    y, x = torch.meshgrid(torch.linspace(0, 1, 32), torch.linspace(0, 1, 32), indexing="ij")
    image = torch.stack([0.3 + 0.5 * x, 0.3 + 0.2 * y, 0.3 + 0.3 * ((x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.09)])
    images = image.repeat(20, 1, 1, 1)
    pipeline = Pipeline([(1.0, cls().build(size=32))])
    changed, _ = pipeline(images, torch.zeros(20, 8), seed=0, epoch=0, sample_ids=torch.arange(20))
    difference = (changed - images).abs().mean()
    assert 1e-3 < difference < 0.3


NEUTRAL = [
    (augmentations.Hue, {"degrees": 0}),
    (augmentations.Saturation, {"strength": 0}),
    (augmentations.Brightness, {"strength": 0}),
    (augmentations.Contrast, {"strength": 0}),
    (augmentations.Rotate, {"degrees": 0}),
    (augmentations.Translate, {"share": 0}),
    (augmentations.Crop, {"min_side": 1}),
    (augmentations.Downscale, {"min_scale": 1, "max_scale": 1}),
    (augmentations.Blur, {"min_kernel": 1, "max_kernel": 1}),
]


@pytest.mark.parametrize(("cls", "chosen"), NEUTRAL, ids=lambda value: getattr(value, "component_name", ""))
def test_strength_nought_changes_nothing(cls, chosen):
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    pipeline = Pipeline([(1.0, cls(**chosen).build(size=32))])
    changed, _ = pipeline(images, torch.zeros(4, 8), seed=0, epoch=0, sample_ids=torch.arange(4))
    torch.testing.assert_close(changed, images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("component", "says"),
    [
        (augmentations.Clahe(tiles=7), "7 x 7 tiles do not fit images of 96 x 96"),
        (augmentations.Clahe(tiles=64), "64 x 64 tiles"),
        (augmentations.Downscale(min_scale=0.9, max_scale=0.5), "min_scale 0.9 is above max_scale 0.5"),
        (augmentations.Downscale(min_scale=0.001), "nothing is left of 96 pixels"),
        (augmentations.Blur(min_kernel=4), "4 to 5 are not a range of odd sizes"),
        (augmentations.Blur(min_kernel=7), "7 to 5 are not a range of odd sizes"),
    ],
)
def test_what_cannot_be_applied_is_an_error_with_a_way_out(component, says):
    with pytest.raises(RecipeError) as caught:
        component.build(size=96)
    assert says in caught.value.message
    assert caught.value.hints


def test_a_kernel_larger_than_the_image_is_an_error():
    with pytest.raises(RecipeError, match="do not fit images of 8 x 8"):
        augmentations.Blur(max_kernel=31).build(size=8)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (augmentations.Hue, {"degrees": 181}),
        (augmentations.Brightness, {"strength": 1.1}),
        (augmentations.Crop, {"min_side": 0}),
        (augmentations.Clahe, {"clip_limit": 0.5}),
        (augmentations.Flip, {"p": 1.5}),
    ],
)
def test_settings_out_of_range_are_refused(cls, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        cls(**wrong)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.component_name)
def test_contract(cls):
    assert issubclass(cls, Augmentation)
    assert cls.__doc__
    assert all(field.metadata["param"].help for field in attrs.fields(cls))
    assert isinstance(cls().build(size=96), Geometric | Colour | Batch)


def test_half_of_the_images_are_flipped_by_default():
    assert augmentations.Flip().p == 0.5


def test_importing_the_components_imports_no_torch():
    code = "import sys, cellcls.builtin.augmentations; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
