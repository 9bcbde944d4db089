"""scipy's Mahalanobis distance, with the covariance written out, is the oracle of the model of features."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cellcls.ops.statistics import features as subject
from cellcls.ops.statistics.features import fit


def cloud(seed: int, n: int = 60, channels: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return features of three classes, each around its own direction, of any length."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    rows = 5 * np.eye(channels)[labels] + rng.normal(size=(n, channels)) * np.linspace(0.1, 1, channels)
    return (rows * rng.uniform(0.5, 2, (n, 1))).astype(np.float32), labels


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("directions", [1, 4, 64])
def test_the_distance_is_scipys_with_the_covariance_of_probabilistic_pca(directions, monkeypatch):
    monkeypatch.setattr(subject, "DIRECTIONS", directions)
    features, labels = cloud(0)
    others = cloud(1)[0] + np.float32(1)
    rows = unit(features.astype(float))
    means = np.stack([rows[labels == label].mean(0) for label in range(3)])
    _, singular, axes = np.linalg.svd(rows - means[labels])
    variances = singular**2 / len(rows)
    kept = min(directions, 11)
    variances[kept:] = variances[kept:].mean()
    covariance = (axes.T * variances) @ axes
    inverse = np.linalg.inv(covariance)
    expected = cdist(unit(others.astype(float)), means, "mahalanobis", VI=inverse).min(1)
    np.testing.assert_allclose(fit(features, labels).distance(others), expected, rtol=1e-4)


@pytest.mark.parametrize(("share", "marked"), [(0.0, 0), (0.01, 0), (0.05, 3), (0.5, 30)])
def test_the_threshold_leaves_no_more_than_the_share_above_it(share, marked):
    model, shown = fit(*cloud(0)), cloud(2)[0]
    found = model.with_threshold(shown, share).in_thresholds(shown)
    assert (found > 1).sum() == marked
    least = np.sort(found)[len(found) - 1 - marked]
    assert least == pytest.approx(1, abs=1e-5)


def test_the_length_of_features_does_not_count():
    model, others = fit(*cloud(0)), cloud(1)[0]
    np.testing.assert_allclose(model.distance(others), model.distance(others * np.float32(1e-3)), rtol=1e-3)


def test_features_unlike_any_class_are_far_and_so_is_nothing_at_all():
    features, labels = cloud(0)
    model = fit(features, labels).with_threshold(features, 0.05)
    strange = np.zeros((2, 12), np.float32)
    strange[0, 8] = 3
    assert (model.in_thresholds(strange) > 1).all()


@pytest.mark.parametrize("features", [np.ones((4, 1)), np.zeros((4, 3)), np.ones((4, 3))])
def test_features_that_do_not_vary_give_a_finite_model(features):
    model = fit(features.astype(np.float32), np.array([0, 1, 0, 1]))
    assert all(np.isfinite(array).all() for array in attrs.asdict(model).values())
    assert np.isfinite(model.distance(np.ones((2, features.shape[1]), np.float32))).all()


def test_classes_without_images_have_no_mean():
    features, labels = cloud(0)
    assert fit(features, labels * 3).means.shape == (3, 12)
