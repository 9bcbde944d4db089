"""Near copies among rendered cells: found in every disguise, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from cellcls.ops import near_copies
from cellcls.ops.near_copies import NearPairs, find_near_copies
from cellcls.ops.perceptual import Fingerprints, _cosine_matrix, area_matrix, fingerprints, orientations, oriented
from cellcls.ops.render import render


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    return np.stack([render(number % 8, number, size=96).image for number in range(160)])


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def shifted(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")[:96, 6:]


def cropped(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).crop((2, 3, 93, 94)).resize((96, 96), Image.Resampling.BILINEAR))


def lighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 1.1, 0, 255).astype(np.uint8)


DISGUISES = {
    "turned": np.rot90,
    "mirrored": np.fliplr,
    "both": lambda image: np.rot90(np.fliplr(image)),
    "jpeg": jpeg,
    "lighter": lighter,
    "darker": lambda image: (image * 0.9).astype(np.uint8),
    "shifted": shifted,
    "cropped": cropped,
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_copy_is_found_in_disguise_and_nothing_else(cells: np.ndarray, name: str):
    copies = np.stack([DISGUISES[name](cell) for cell in cells[:40]])
    pairs = find_near_copies(fingerprints(np.concatenate([cells, copies])))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    planted = {(number, len(cells) + number) for number in range(40)}
    assert len(found & planted) >= 38
    assert len(found - planted) <= 1
    assert pairs.similarity.min() >= near_copies.SIMILARITY
    assert pairs.similarity.max() <= 1


def test_cells_alone_are_no_copies_of_each_other(cells: np.ndarray):
    assert len(find_near_copies(fingerprints(cells))) == 0


def test_many_images_go_through_cells_and_give_the_same(cells: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    copies = np.stack([np.rot90(cell) for cell in cells[:40]])
    prints = fingerprints(np.concatenate([cells, copies]))
    everything = find_near_copies(prints)
    monkeypatch.setattr(near_copies, "_ALL_PAIRS", 10)
    monkeypatch.setattr(near_copies, "_CELL", 20)
    assert len(find_near_copies(prints)) == len(everything) == 40


@pytest.mark.parametrize("symmetry", range(8))
def test_the_symmetries_of_coefficients_are_those_of_images(symmetry: int):
    images = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    matrix = _cosine_matrix(32, 6)
    turned = matrix @ oriented(images, symmetry) @ matrix.T
    np.testing.assert_allclose(orientations(matrix @ images @ matrix.T)[:, symmetry], turned, atol=1e-4)


def test_the_transform_is_scipys():
    image = np.random.default_rng(0).random((32, 32))
    matrix = _cosine_matrix(32, 8)
    np.testing.assert_allclose(matrix @ image @ matrix.T, dctn(image, norm="ortho")[:8, :8], atol=1e-4)


def test_areas_are_means_over_equal_stretches():
    line = np.arange(6.0)
    np.testing.assert_allclose(area_matrix(6, 3) @ line, [0.5, 2.5, 4.5])
    np.testing.assert_allclose(area_matrix(6, 4) @ line, [1 / 3, 5 / 3, 10 / 3, 14 / 3], atol=1e-6)
    np.testing.assert_allclose(area_matrix(1, 4) @ [7], [7, 7, 7, 7])


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5), (513, 2)])
def test_any_size_has_a_fingerprint(shape: tuple[int, int]):
    prints = fingerprints(np.full((2, *shape, 3), 77, dtype=np.uint8))
    assert np.isfinite(prints.descriptors).all()
    assert len(find_near_copies(prints)) == 0  # flat pictures have nothing that could be alike


@pytest.mark.parametrize("count", [0, 1])
def test_a_set_without_pairs_has_none(cells: np.ndarray, count: int):
    assert len(find_near_copies(fingerprints(cells[:count]))) == 0


def test_batches_join():
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)
    joined = Fingerprints.joined([fingerprints(images[:2]), fingerprints(images[2:])])
    np.testing.assert_allclose(joined.descriptors, fingerprints(images).descriptors, atol=1e-5)


def test_a_chain_of_pairs_is_no_single_group():
    first, second = np.array([0, 1, 2, 5]), np.array([1, 2, 3, 6])
    pairs = NearPairs(first, second, np.ones(4, np.float32), np.zeros(4, np.int8))
    assert [group.tolist() for group in pairs.groups(8)] == [[0, 1], [2, 3], [5, 6]]
