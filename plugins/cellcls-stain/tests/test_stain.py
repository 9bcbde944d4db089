from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from skimage.color import hed_from_rgb, rgb2hed, rgb_from_hed
from torch.testing import assert_close

from cellcls.testing import ComponentTests
from cellcls_stain import GIEMSA, StainJitter, cellcls_components
from cellcls_stain.mixing import mixing_matrix, remix, unmix


class TestComponents(ComponentTests):
    plugin = "cellcls_stain"


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.98 + 0.01


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="stain")
    assert entry.load().cellcls_components() == cellcls_components() == [StainJitter]


def test_listing_imports_no_torch():
    code = "import sys, cellcls_stain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_unmixing_is_scikit_images(images: torch.Tensor):
    matrix = torch.from_numpy(rgb_from_hed).float()
    assert_close(torch.linalg.inv(matrix), torch.from_numpy(hed_from_rgb).float(), atol=1e-4, rtol=1e-4)
    ours = unmix(images, matrix).clamp(min=0) / -np.log(1e-6)
    theirs = torch.from_numpy(rgb2hed(images.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2).float()
    assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_taken_apart_and_put_together_nothing_is_lost(images: torch.Tensor):
    matrix = mixing_matrix(GIEMSA)
    assert_close(remix(unmix(images, matrix), matrix), images, atol=1e-4, rtol=1e-4)


def jittered(images: torch.Tensor, draws: torch.Tensor, **settings) -> torch.Tensor:
    operation = StainJitter(**settings).build(size=16)
    assert operation.draws == draws.shape[1]
    return operation.apply(images, torch.zeros(len(images), 2), draws)[0]


def test_no_strength_changes_nothing(images: torch.Tensor):
    assert_close(jittered(images, torch.rand(5, 4), strength=0.0), images, atol=1e-4, rtol=1e-4)


def test_only_the_stains_change_by_what_was_drawn(images: torch.Tensor):
    draws = torch.full((5, 4), 0.5)
    draws[:, 0] = 1.0  # a = strength for the first stain
    matrix = mixing_matrix(GIEMSA)
    before, after = unmix(images, matrix), unmix(jittered(images, draws, strength=0.05), matrix)
    inside = (remix(before, matrix) < 0.9).all(1) & (remix(before, matrix) > 0.05).all(1)
    assert_close(after[:, 0][inside], 1.05 * before[:, 0][inside], atol=1e-3, rtol=1e-3)
    assert_close(
        after[:, 1:].transpose(0, 1)[:, inside], before[:, 1:].transpose(0, 1)[:, inside], atol=1e-3, rtol=1e-3
    )


def test_each_image_has_its_own_draw(images: torch.Tensor):
    same = images[:1].repeat(2, 1, 1, 1)
    changed = jittered(same, torch.tensor([[0.1, 0.9, 0.3, 0.6], [0.8, 0.2, 0.7, 0.4]]))
    assert (changed[0] - changed[1]).abs().max() > 0.01
    assert 0 <= changed.min() <= changed.max() <= 1


@pytest.mark.parametrize("vectors", [((1.0, 0.0, 0.0), (1.0, 0.01, 0.0)), ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0))])
def test_stains_that_are_one_are_refused(vectors):
    with pytest.raises(ValueError, match="apart"):
        StainJitter(vectors=vectors)
