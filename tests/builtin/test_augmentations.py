import math
import subprocess
import sys

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cellcls.api import Augmentation, Batch, Colour, Geometric
from cellcls.builtin import augmentations
from cellcls.builtin.augmentations.policies import OPERATIONS, AugMix
from cellcls.engine.pipeline import Pipeline
from cellcls.errors import RecipeError
from cellcls.ops.imaging.policy import change

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
    augmentations.TrivialAugment: [{"magnitude": 0}, {"magnitude": 1}],
    augmentations.AugMix: [{"magnitude": 0}, {"magnitude": 1, "chains": 1, "depth": 10}],
    augmentations.RandAugment: [{"magnitude": 0}, {"magnitude": 1, "operations": 10}],
    augmentations.ChannelGains: [{"strength": 0}, {"strength": 2}],
    augmentations.Gamma: [{"max_gamma": 1}, {"max_gamma": 10}],
    augmentations.Zoom: [{"min_scale": 0.1, "max_scale": 0.1}, {"min_scale": 10, "max_scale": 10}, {}],
    augmentations.Shear: [{"share": 0}, {"share": 0.9}],
    augmentations.Noise: [{"max_std": 0}, {"max_std": 1}],
    augmentations.Erase: [{"min_area": 0, "max_area": 0}, {"min_area": 1, "max_area": 1}, {"max_aspect": 100}],
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
    (augmentations.ChannelGains, {"strength": 0}),
    (augmentations.Gamma, {"max_gamma": 1}),
    (augmentations.Zoom, {"min_scale": 1, "max_scale": 1}),
    (augmentations.Shear, {"share": 0}),
    (augmentations.Noise, {"max_std": 0}),
    (augmentations.Erase, {"min_area": 0, "max_area": 0}),
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
        (augmentations.Zoom(min_scale=2, max_scale=1.5), "min_scale 2 is above max_scale 1.5"),
        (augmentations.Erase(min_area=0.3), "min_area 0.3 is above max_area 0.2"),
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


def applied(component, images, count=1):
    """Return ``count`` draws of what a component makes of one image (3, 32, 32)."""
    pipeline = Pipeline([(1.0, component.build(size=32))])
    ids = torch.arange(count)
    return pipeline(images.expand(count, 3, 32, 32), torch.zeros(count, 8), seed=1, epoch=0, sample_ids=ids)[0]


def test_zoom_shows_what_a_resized_centre_shows():
    y, x = torch.meshgrid(torch.arange(32) / 31, torch.arange(32) / 31, indexing="ij")
    ramp = torch.stack([x, y, (x + y) / 2])
    inner = torch.nn.functional.interpolate(ramp[None, :, 8:24, 8:24], size=(32, 32), mode="bilinear")
    twice = applied(augmentations.Zoom(min_scale=2, max_scale=2), ramp)
    torch.testing.assert_close(twice[:, :, 2:-2, 2:-2], inner[:, :, 2:-2, 2:-2], atol=1e-5, rtol=0)
    half = applied(augmentations.Zoom(min_scale=0.5, max_scale=0.5), ramp)
    means = ramp.unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4))  # linear: the middle of 2 x 2 pixels is their mean
    torch.testing.assert_close(half[0, :, 8:24, 8:24], means, atol=1e-5, rtol=0)


def test_zoom_draws_the_logarithm_of_the_scale_uniformly():
    ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    made = applied(augmentations.Zoom(), ramp, 4000)
    slopes = (made[:, 0, 16, 16] - made[:, 0, 16, 15]) * 31
    scales = -slopes.log2()
    assert -1 <= scales.min() < -0.99
    assert 0.99 < scales.max() <= 1
    assert abs(scales.mean()) < 3 * (1 / 3) ** 0.5 / 4000**0.5


def test_shear_keeps_the_centre_and_the_area_of_a_disc_on_the_whole():
    y, x = torch.meshgrid(torch.arange(32) - 15.5, torch.arange(32) - 15.5, indexing="ij")
    disc = (x**2 + y**2 < 64).float().expand(3, 32, 32)
    made = applied(augmentations.Shear(share=0.3), disc, 50)
    area = made[:, 0].sum((1, 2))
    assert (area / disc[0].sum() - 1).abs().max() < 0.12  # 1 / (1 - 0.3 * 0.3) at most
    centre = (made[:, 0] * x).sum((1, 2)) / area
    assert centre.abs().max() < 0.1


def test_channel_gains_multiply_each_channel_by_its_own_factor():
    made = applied(augmentations.ChannelGains(strength=0.4), torch.full((3, 32, 32), 0.5), 2000)[:, :, 0, 0] / 0.5
    assert torch.e**-0.4 <= made.min() < 0.68
    assert 1.48 < made.max() <= torch.e**0.4
    assert torch.corrcoef(made.T).fill_diagonal_(0).abs().max() < 0.1


def test_gamma_raises_to_a_power_between_the_two_limits():
    made = applied(augmentations.Gamma(max_gamma=2), torch.full((3, 32, 32), 0.25), 2000)[:, 0, 0, 0]
    assert 0.25**2 <= made.min() < 0.065
    assert 0.495 < made.max() <= 0.5


def test_noise_has_the_standard_deviation_and_is_new_in_each_pixel_and_image():
    made = applied(augmentations.Noise(max_std=0.1), torch.full((3, 32, 32), 0.5), 400) - 0.5
    stds = made.flatten(1).std(1)
    assert abs(stds.mean() - 0.05) < 0.005
    assert stds.max() < 0.11
    assert made.mean().abs() < 1e-3
    assert torch.corrcoef(made[:, :, 0, :2].flatten(1).T).fill_diagonal_(0).abs().max() < 0.25


def test_erase_hides_a_share_of_the_image_behind_one_colour():
    y, x = torch.meshgrid(torch.arange(32) / 32, torch.arange(32) / 32, indexing="ij")
    picture = torch.stack([x, y, x * y])
    made = applied(augmentations.Erase(min_area=0.1, max_area=0.1, max_aspect=2), picture, 200)
    for image in made:
        hidden = (image - picture).abs().sum(0) > 1e-6
        assert abs(hidden.float().mean() - 0.1) < 0.03
        assert len(image[:, hidden].unique(dim=1).T) == 1
        rows, columns = hidden.any(1).sum(), hidden.any(0).sum()
        assert 0.4 < rows / columns < 2.5


def test_half_of_the_images_are_flipped_by_default():
    assert augmentations.Flip().p == 0.5


def test_importing_the_components_imports_no_torch():
    code = "import sys, cellcls.builtin.augmentations; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_augmix_mixes_the_image_with_its_chains():
    """One chain of one operation: between the image and what that operation alone makes of it."""
    names = tuple(name for name in OPERATIONS if name not in ("solarize", "posterize"))
    batch = AugMix(chains=1, depth=1, exclude=names, magnitude=1.0).build(size=8)
    images = torch.linspace(0, 1, 192).view(1, 3, 8, 8)
    draws = torch.full((1, batch.draws), 0.7)

    def mixed(share: float) -> Tensor:
        draws[:, 0] = share
        return batch.apply(images, torch.eye(1), draws)[0]

    whole = change(images, ("posterize", "solarize"), draws[:, 3:], draws[:, 4])
    assert torch.equal(mixed(0.0), images)
    torch.testing.assert_close(mixed(0.25), 0.75 * images + 0.25 * whole)
    torch.testing.assert_close(mixed(1.0), whole)


def test_augmix_weights_its_chains_evenly_on_average():
    """Inverted, kept: the mean of a Dirichlet distribution of ones over three chains is a third each."""
    names = tuple(name for name in OPERATIONS if name != "solarize")
    batch = AugMix(chains=3, depth=1, exclude=names, magnitude=1.0).build(size=8)
    draws = torch.rand(2000, batch.draws, generator=torch.Generator().manual_seed(0))
    draws[:, 0] = 1.0
    width = (batch.draws - 1) // 3
    for number in range(3):  # the strength of each operation: all but one chain keep the image
        draws[:, 1 + number * width + 3] = float(number == 0)
    images = torch.full((2000, 3, 8, 8), 0.9)
    mixed = batch.apply(images, torch.eye(1), draws)[0]
    weight = ((0.9 - mixed) / 0.8)[:, 0, 0, 0]
    assert abs(float(weight.mean()) - 1 / 3) < 0.02
    assert abs(float(weight.std()) - math.sqrt(1 / 18)) < 0.02  # Beta(1, 2)
