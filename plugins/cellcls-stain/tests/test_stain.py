"""The jitter, beside scikit-image; and that its stains are those of real cells."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.color import hed2rgb, hed_from_rgb, rgb2hed, rgb_from_hed
from torch.testing import assert_close

from cellcls.ops.imaging.stain import stain_amounts, stain_vectors
from cellcls.ops.storage.decode import decode
from cellcls.testing import ComponentTests
from cellcls_stain import AMOUNTS, GIEMSA, StainJitter, StainNormalised, cellcls_components
from cellcls_stain.mixing import inverse, mixing_matrix, remix, unit_vectors, unmix

HED = tuple(map(tuple, rgb_from_hed.tolist()))
BLACK = -np.log(1e-6)
"""scikit-image's density of black, by which it divides."""
(BUILTIN,) = entry_points(group="cellcls", name="builtin")
CNN5 = next(cls for cls in BUILTIN.load().cellcls_components() if cls.component_name == "cnn5")


class TestComponents(ComponentTests):
    plugin = "cellcls_stain"
    examples = {"backbone stain_normalised": {"inner": CNN5(filters=(4, 6))}}  # noqa: RUF012


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.98 + 0.01


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="stain")
    assert entry.load().cellcls_components() == cellcls_components() == [StainJitter, StainNormalised]


def test_listing_imports_no_torch():
    code = "import sys, cellcls_stain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_unmixing_is_scikit_images(images: torch.Tensor):
    unmixing = inverse(torch.from_numpy(rgb_from_hed).float())
    assert_close(unmixing, torch.from_numpy(hed_from_rgb).float(), atol=1e-4, rtol=1e-4)
    ours = unmix(images, unmixing).clamp(min=0) / BLACK
    theirs = torch.from_numpy(rgb2hed(images.permute(0, 2, 3, 1).numpy())).permute(0, 3, 1, 2).float()
    assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_taken_apart_and_put_together_nothing_is_lost(images: torch.Tensor):
    matrix = mixing_matrix(unit_vectors(GIEMSA))
    assert_close(remix(unmix(images, inverse(matrix)), matrix), images, atol=1e-4, rtol=1e-4)


def jittered(images: torch.Tensor, draws: torch.Tensor, **settings) -> torch.Tensor:
    operation = StainJitter(**settings).build(size=16)
    assert operation.draws == draws.shape[1]
    return operation.apply(images, torch.zeros(len(images), 2), draws)[0]


def test_jitter_of_three_stains_is_scikit_images():
    """rgb2hed and hed2rgb are a whole oracle where no stain is negative: they cut those off."""
    rng = np.random.default_rng(0)
    amounts = rng.uniform(0.01, 0.06, (5, 16, 16, 3))
    pictures = hed2rgb(amounts)
    draws = rng.random((5, 6))
    change = 0.1 * (2 * draws[:, None, None] - 1)
    lengths = np.linalg.norm(rgb_from_hed, axis=1)  # b is in units of the unit vectors
    wanted = hed2rgb(rgb2hed(pictures) * (1 + change[..., :3]) + change[..., 3:] / lengths / BLACK)
    given = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    got = jittered(given, torch.from_numpy(draws).float(), vectors=HED)
    assert np.abs(rgb2hed(wanted) - rgb2hed(pictures)).max() > 1e-3
    assert_close(got.permute(0, 2, 3, 1), torch.from_numpy(wanted).float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("vectors", [GIEMSA, HED, "image"])
def test_no_strength_changes_nothing(images: torch.Tensor, vectors):
    draws = torch.rand(5, 6 if vectors == HED else 4)
    assert_close(jittered(images, draws, strength=0.0, vectors=vectors), images, atol=1e-4, rtol=1e-4)


def test_only_the_stains_change_by_what_was_drawn(images: torch.Tensor):
    draws = torch.full((5, 4), 0.5)
    draws[:, 0] = 1.0  # a = strength for the first stain
    matrix = mixing_matrix(unit_vectors(GIEMSA))
    before = unmix(images, inverse(matrix))
    after = unmix(jittered(images, draws, strength=0.05), inverse(matrix))
    inside = (remix(before, matrix) < 0.9).all(1) & (remix(before, matrix) > 0.05).all(1)
    assert_close(after[:, 0][inside], 1.05 * before[:, 0][inside], atol=1e-3, rtol=1e-3)
    rest = [stains[:, 1:].transpose(0, 1)[:, inside] for stains in (after, before)]
    assert_close(*rest, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("vectors", [GIEMSA, "image"])
def test_each_image_has_its_own_draw(images: torch.Tensor, vectors):
    same = images[:1].repeat(2, 1, 1, 1)
    changed = jittered(same, torch.tensor([[0.1, 0.9, 0.3, 0.6], [0.8, 0.2, 0.7, 0.4]]), vectors=vectors)
    assert (changed[0] - changed[1]).abs().max() > 0.01
    assert 0 <= changed.min() <= changed.max() <= 1


@pytest.mark.parametrize(
    "vectors",
    [
        ((1.0, 0.0, 0.0), (1.0, 0.01, 0.0)),
        ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0)),
        ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 0.01)),
    ],
)
def test_stains_that_are_one_are_refused(vectors):
    with pytest.raises(ValueError, match=r"apart|mixture"):
        StainJitter(vectors=vectors)


def test_the_default_stains_are_those_of_real_cells():
    """Every fortieth of the challenge's cells, 299: within one degree, and within a twentieth of the amounts."""
    folder = os.environ.get("CELLCLS_TEST_DATA")
    if not folder:
        pytest.skip("CELLCLS_TEST_DATA names no folder with pbc96_train.zip")
    with zipfile.ZipFile(Path(folder) / "pbc96_train.zip") as pack:
        names = sorted(name for name in pack.namelist() if name.endswith(".webp"))[5::40]
        cells = np.stack([decode(pack.read(name), name=name) for name in names])
    found, ours = stain_vectors(cells), unit_vectors(GIEMSA).numpy()
    assert np.degrees(np.arccos((found * ours).sum(1).clip(-1, 1))).max() < 1
    np.testing.assert_allclose(stain_amounts(cells, ours), AMOUNTS, rtol=0.05)
