"""Calibration, risk and temperature, against values worked out by hand and by other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from cellcls.ops.statistics.calibration import (
    aurc,
    calibration_error,
    fit_temperature,
    ranked,
    reliability,
    risk_coverage,
)
from cellcls.ops.statistics.metrics import of_predictions
from cellcls.ops.statistics.table import METRICS


def two_classes(confidence: list[float], right: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of two classes whose first is predicted, and labels."""
    first = np.array(confidence, np.float32)
    return np.stack([first, 1 - first], 1), 1 - np.array(right)


def test_the_calibration_error_by_hand():
    images = ranked(*two_classes([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1]))
    share, confidence, accuracy = reliability(images, bins=2)
    assert share == pytest.approx([0.5, 0.5])
    assert confidence == pytest.approx([0.85, 0.65])
    assert accuracy == pytest.approx([0.5, 1.0])
    assert calibration_error(images) == pytest.approx((0.1 + 0.8 + 0.3 + 0.4) / 4)  # a bin for each


def test_bins_hold_equally_many_images():
    rng = np.random.default_rng(0)
    confidence, right = rng.uniform(0.5, 1, 1000).astype(np.float32), rng.integers(0, 2, 1000)
    order = np.argsort(-confidence)
    bins = np.array_split(order, 15)
    expected = sum(len(rows) / 1000 * abs(confidence[rows].mean() - right[rows].mean()) for rows in bins)
    images = ranked(*two_classes(list(confidence), list(right)))
    assert calibration_error(images) == pytest.approx(expected, abs=1e-6)


def test_risk_and_its_area_by_hand():
    images = ranked(*two_classes([0.6, 0.9, 0.7, 0.8], [0, 1, 1, 0]))  # surest first: right, wrong, right, wrong
    assert aurc(images) == pytest.approx((0 + 1 / 2 + 1 / 3 + 2 / 4) / 4)
    shares, errors = zip(*risk_coverage(images, (0.1, 0.5, 0.75, 1.0)), strict=True)
    assert shares == (0.1, 0.5, 0.75, 1.0)
    assert errors == pytest.approx((0, 1 / 2, 1 / 3, 2 / 4))


def test_the_order_of_the_images_does_not_matter_where_they_are_equally_sure():
    probabilities, labels = two_classes([0.9, 0.9, 0.9, 0.9, 0.6], [1, 0, 0, 1, 1])
    orders = [np.arange(5), np.array([4, 3, 2, 1, 0]), np.array([1, 2, 0, 3, 4])]
    found = [ranked(probabilities[order], labels[order]) for order in orders]
    assert len({aurc(images) for images in found}) == 1
    assert len({calibration_error(images) for images in found}) == 1
    assert aurc(found[0]) == pytest.approx((0.5 * 4 + 2 / 5) / 5)


@pytest.mark.parametrize("truth", [0.5, 1.0, 3.0])
def test_the_temperature_minimises_the_negative_log_likelihood(truth):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (4000, 5)).astype(np.float32)
    chance = np.exp(logits.astype(float) / truth)
    chance /= chance.sum(1, keepdims=True)
    labels = (chance.cumsum(1) > rng.uniform(size=(4000, 1))).argmax(1)

    def loss(temperature: float) -> float:
        said = np.exp(logits.astype(float) / temperature)
        return float(log_loss(labels, said / said.sum(1, keepdims=True), labels=range(5)))

    expected = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-8}).x
    assert fit_temperature(logits, labels) == pytest.approx(expected, rel=1e-4)
    assert fit_temperature(logits, labels) == pytest.approx(truth, rel=0.1)


def test_a_temperature_has_bounds():
    logits = np.eye(3, dtype=np.float32)
    assert fit_temperature(logits, np.arange(3)) == pytest.approx(1 / 20)  # always right: as sure as can be
    assert fit_temperature(logits, np.array([1, 2, 0])) == pytest.approx(20)


class Said:
    loss = None

    def __init__(self, confidence: list[float], right: list[int]) -> None:
        self.probabilities, self.label = two_classes(confidence, right)


def test_conditions_are_pooled():
    found = of_predictions([Said([0.9, 0.8], [1, 0]), Said([0.7, 0.6], [1, 1])])
    together = ranked(*two_classes([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 1]))
    assert found == {"calibration_error": calibration_error(together), "aurc": aurc(together)}
    assert all(METRICS[name].lower_is_better for name in found)
