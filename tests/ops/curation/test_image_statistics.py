from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression

from cellcls.ops.curation.image_statistics import STATISTICS, statistics
from cellcls.ops.rendering.cells import render


@given(arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.just(3))))
def test_any_image_has_all_statistics_and_they_are_finite(images: np.ndarray):
    found = statistics(images)
    assert found.shape == (len(images), len(STATISTICS))
    assert np.isfinite(found).all()


def test_names_are_different_and_say_what_they_measure():
    assert len(set(STATISTICS)) == len(STATISTICS)
    red = np.zeros((1, 48, 48, 3), np.uint8)
    red[..., 0] = 255
    found = dict(zip(STATISTICS, statistics(red)[0].tolist(), strict=True))
    assert found["brightness"] == pytest.approx(0.299, abs=1e-3)
    assert found["contrast"] == pytest.approx(0, abs=1e-3)
    assert found["saturation"] == pytest.approx(1)
    assert found["ring0_red_mean"] == found["ring6_red_mean"] == pytest.approx(1)
    assert found["red_green_q50"] == pytest.approx(1)
    assert found["green_q50"] == 0


def test_a_dark_disc_is_found_with_its_area():
    y, x = np.mgrid[:96, :96] - 47.5
    image = np.full((1, 96, 96, 3), 230, np.uint8)
    image[0, np.hypot(y, x) < 20] = 40
    found = dict(zip(STATISTICS, statistics(image)[0].tolist(), strict=True))
    assert found["dark45_area"] == pytest.approx(np.pi * 20**2 / 96**2, rel=0.1)
    assert found["dark45_off_centre"] == pytest.approx(0, abs=0.1)
    assert found["ring0_green_mean"] < found["ring6_green_mean"]


def test_batches_change_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 33, 20, 3), dtype=np.uint8)
    np.testing.assert_allclose(statistics(images)[3:4], statistics(images[3:4]), rtol=1e-3, atol=1e-5)


def test_rendered_cells_can_be_told_apart_by_them():
    cells = np.stack([render(number % 8, number, size=96).image for number in range(400)])
    values, labels = statistics(cells), np.arange(400) % 8
    values = (values - values.mean(0)) / (values.std(0) + 1e-6)
    fitted = LogisticRegression(max_iter=500).fit(values[:240], labels[:240])
    assert fitted.score(values[240:], labels[240:]) > 0.8
