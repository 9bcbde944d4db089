import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcls.api import Batch, Corruption
from cellcls.builtin import corruptions
from cellcls.builtin.corruptions import medmnist_c
from cellcls.builtin.corruptions.severity import at
from cellcls.engine.corruption import corrupt
from cellcls.errors import RecipeError
from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.baselines import ALEXNET
from cellcls.ops.rendering.cells import render
from cellcls.registry import load_registry

CLASSES = [getattr(corruptions, name) for name in corruptions.__all__]
EQUAL = {("stain_deposit", 3)}
"""Severities the publication gives the same strengths as the next."""
by_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.component_name)


@pytest.fixture(scope="module")
def cells():
    return torch.from_numpy(np.stack([render(seed % 8, seed).image for seed in range(24)]))


def changed(cls, images, severity, *, ids=None, seed=0, place=0):
    size = images.shape[2]
    ids = torch.arange(len(images)) if ids is None else ids
    return corrupt(cls().build(severity=severity, size=size), images, ids, seed=seed, place=place)


def test_the_registry_offers_the_suites():
    offered = load_registry().components["corruption"]
    assert len(offered) == len(CLASSES) == 18
    suites = {
        suite: {name for name, cls in offered.items() if cls.suite == suite}
        for suite in ("medmnist_c", "competition", "shifts")
    }
    assert suites["medmnist_c"] == set(ALEXNET)
    assert suites["competition"] == {"competition"}
    assert suites["shifts"] == {"uneven_light", "haze", "speckle", "glass", "cast", "dust"}
    assert all(issubclass(cls, Corruption) for cls in offered.values())


STRENGTHS = {
    "pixelate": (0.6, 0.5, 0.4, 0.3, 0.25),
    "jpeg": (50, 30, 15, 10, 7),
    "defocus": (2, 3, 4, 5, 6),  # radius
    "motion": ((3, 3), (5, 5), (10, 5), (10, 7), (10, 9)),  # radius, sigma
    "brightness_up": (1.1, 1.2, 1.3, 1.35, 1.4),
    "brightness_down": (0.9, 0.8, 0.7, 0.6, 0.5),
    "contrast_up": (1.1, 1.15, 1.2, 1.25, 1.3),
    "contrast_down": (0.9, 0.8, 0.7, 0.6, 0.5),
    "saturate": (0.05, 0.1, 0.15, 0.17, 0.2),
    "stain_deposit": (1, 2, 3, 3, 3),  # marks
    "bubble": ((5, 10), (7, 10), (10, 10), (12, 12), (15, 12)),  # largest radius, number
}
"""MedMNIST-C's published parameters for blood cells, at 224 px."""


@pytest.mark.parametrize("name", ALEXNET)
def test_the_strengths_are_the_published_ones(name, monkeypatch):
    used = []

    def noted(severity, strengths, corruption):
        used.append(strengths[severity - 1])
        return at(severity, strengths, corruption)

    monkeypatch.setattr(medmnist_c, "at", noted)
    for severity in range(1, 6):
        load_registry().find("corruption", name)().build(severity=severity, size=96)
    assert tuple(one[0] if name == "stain_deposit" else one for one in used) == STRENGTHS[name]


@by_class
def test_the_distance_from_the_original_grows_with_the_severity(cls, cells):
    original = from_uint8(cells)
    far = [(changed(cls, cells, severity) - original).abs().mean().item() for severity in range(1, 6)]
    assert far[0] > 1e-3
    for severity, (before, after) in enumerate(pairwise(far), start=1):
        equal = (cls.component_name, severity) in EQUAL
        assert after == before if equal else after > before


@by_class
@settings(max_examples=6, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    first=st.integers(0, 2**40),
    severity=st.integers(1, 5),
    size=st.sampled_from([28, 33, 64]),
    content=st.sampled_from(["noise", "black", "white", "edge"]),
)
def test_shape_and_range_hold_and_the_batch_does_not_matter(cls, seed, first, severity, size, content):
    images = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(seed))
    images = {"noise": images, "black": images * 0, "white": images * 0 + 1, "edge": images.round()}[content]
    before, ids = images.clone(), torch.arange(first, first + 5)
    all_ = changed(cls, images, severity, ids=ids, seed=seed)
    assert all_.shape == images.shape
    assert all_.dtype == torch.float32
    assert all_.is_contiguous()
    assert all_.isfinite().all()
    assert all_.min() >= 0
    assert all_.max() <= 1
    assert torch.equal(images, before)
    assert torch.equal(changed(cls, images, severity, ids=ids, seed=seed), all_)
    order = torch.tensor([3, 1])
    some = changed(cls, images[order], severity, ids=ids[order], seed=seed)
    off = (some - all_[order]).abs()
    assert (off > 1e-5).float().mean() < 1e-3  # a rounding may tip a threshold of 8 bits, seldom


@pytest.mark.parametrize(
    "name",
    [
        *["Motion", "StainDeposit", "Bubble", "Competition"],
        *["UnevenLight", "Haze", "Speckle", "Glass", "Cast", "Dust"],
    ],
)
def test_chance_depends_on_seed_place_and_sample(name, cells):
    cls, same = getattr(corruptions, name), cells[:1].repeat(4, 1, 1, 1)
    base = changed(cls, same, 3)
    assert len(base.flatten(1).unique(dim=0)) == 4
    for other in (changed(cls, same, 3, seed=1), changed(cls, same, 3, place=1)):
        assert (other != base).flatten(1).any(1).all()


@by_class
def test_bytes_and_floats_give_the_same(cls, cells):
    torch.testing.assert_close(changed(cls, cells[:4], 2), changed(cls, from_uint8(cells[:4]), 2), atol=1e-6, rtol=0)


@by_class
def test_autocast_changes_nothing(cls, cells):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = changed(cls, cells[:4], 4)
    assert torch.equal(inside, changed(cls, cells[:4], 4))


@by_class
def test_targets_stay(cls):
    operation = cls().build(severity=5, size=32)
    assert isinstance(operation, Batch)
    targets = torch.eye(3)
    _, after = operation.apply(torch.rand(3, 3, 32, 32), targets, torch.rand(3, operation.draws))
    assert torch.equal(after, torch.eye(3))


@by_class
@pytest.mark.parametrize("severity", [0, 6, -1])
def test_another_severity_is_refused(cls, severity):
    with pytest.raises(RecipeError, match=f"corruption {cls.component_name} has no severity {severity}") as caught:
        cls().build(severity=severity, size=96)
    assert "1 (mild) to 5" in caught.value.hints[0]


def test_listing_them_imports_no_torch():
    code = "import sys, cellcls.builtin.corruptions; sys.exit(bool({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
