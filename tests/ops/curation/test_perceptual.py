"""The transform against SciPy's, the symmetries against turned images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn

from cellcls.ops.curation.perceptual import (
    Fingerprints,
    _cosine_matrix,
    area_matrix,
    fingerprints,
    orientations,
    oriented,
    read_fingerprints,
)
from cellcls.ops.rendering.cells import render


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


def test_batches_join():
    images = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)
    joined = Fingerprints.joined([fingerprints(images[:2]), fingerprints(images[2:])])
    np.testing.assert_allclose(joined.descriptors, fingerprints(images).descriptors, atol=1e-5)


def test_fingerprints_are_read_batch_by_batch():
    images = np.random.default_rng(0).integers(0, 256, (9, 20, 20, 3), dtype=np.uint8)
    asked: list[int] = []

    def read(places: np.ndarray) -> np.ndarray:
        asked.append(len(places))
        return images[places]

    places = np.array([8, 1, 5, 2, 0])
    read_prints = read_fingerprints(read, places, batch=2)
    np.testing.assert_allclose(read_prints.descriptors, fingerprints(images[places]).descriptors, atol=1e-5)
    assert asked == [2, 2, 1]
    assert len(read_fingerprints(read, places[:0])) == 0


@pytest.mark.parametrize("turn", range(8))
def test_the_descriptor_knows_no_orientation(turn: int):
    cell = render(2, 7, size=96).image
    turned = np.rot90(cell if turn < 4 else cell[:, ::-1], turn)
    one, other = fingerprints(np.stack([cell, turned])).descriptors
    another = fingerprints(render(2, 8, size=96).image[None]).descriptors[0]
    assert np.linalg.norm(one - other) < 0.3 * np.linalg.norm(one - another)
