"""scikit-learn is the oracle of the figures, scipy that of Wilson's interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as oracle

from cellcls.ops.statistics.metrics import Summary, confusion_matrix, points, summary, wilson
from cellcls.ops.statistics.table import METRICS, ClassScore

K = 4
FIGURES = [name for name, metric in METRICS.items() if metric.of_confusion]

answers = st.lists(st.tuples(st.integers(0, K - 1), st.integers(0, K - 1)), min_size=1, max_size=40).map(np.array)
matrices = st.lists(st.integers(0, 30), min_size=K * K, max_size=K * K).map(lambda cells: np.array(cells).reshape(K, K))


def figures(pairs: np.ndarray) -> Summary:
    return summary(confusion_matrix(pairs[:, 0], pairs[:, 1], K))


@given(answers)
def test_figures_are_scikit_learns(pairs: np.ndarray) -> None:
    labels, predicted = pairs.T
    found = figures(pairs)
    present = np.unique(labels)
    np.testing.assert_array_equal(found.confusion, oracle.confusion_matrix(labels, predicted, labels=range(K)))
    assert found.n == len(pairs)
    assert found.values["accuracy"] == pytest.approx(oracle.accuracy_score(labels, predicted))
    average: dict[str, Any] = {"labels": present, "average": "macro", "zero_division": 0}
    assert found.values["balanced_accuracy"] == pytest.approx(oracle.recall_score(labels, predicted, **average))
    assert found.values["macro_f1"] == pytest.approx(oracle.f1_score(labels, predicted, **average))
    columns = oracle.precision_recall_fscore_support(labels, predicted, labels=range(K), zero_division=0)
    for label, (score, *expected) in enumerate(zip(found.per_class, *columns, strict=True)):
        if label in present:
            assert [score.precision, score.recall, score.f1, score.support] == pytest.approx(expected)
        else:  # nothing can be said of a class that is not there
            assert score == ClassScore()


def test_the_balanced_accuracy_is_scikit_learns_own() -> None:
    labels, predicted = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 2, 2])
    found = points(confusion_matrix(labels, predicted, K))
    assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(labels, predicted))


@given(matrices)
def test_points_are_the_summarys(confusion: np.ndarray) -> None:
    found = summary(confusion)
    assert points(confusion) == {name: found.values[name] for name in FIGURES}


@given(matrices)
def test_an_interval_holds_its_figure_and_stays_a_share(confusion: np.ndarray) -> None:
    found = summary(confusion)
    for name in FIGURES:
        low, high = found.intervals[name]
        assert 0 <= low <= found.values[name] <= high <= 1, name
        if confusion.sum():
            assert low < high, name
    for score in found.per_class:
        if score.support:
            low, high = score.recall_ci
            assert 0 <= low <= score.recall <= high <= 1


@given(matrices.filter(lambda confusion: confusion.sum() >= 40))
def test_intervals_narrow_with_more_images(confusion: np.ndarray) -> None:
    few, many = summary(confusion), summary(confusion * 100)
    for name in FIGURES:
        assert many.values[name] == pytest.approx(few.values[name])
        assert np.diff(many.intervals[name]) < np.diff(few.intervals[name]), name


def test_the_bootstrap_is_as_wide_as_theory_says() -> None:
    """95% of a binomial share lies within 1.96 of its standard deviations."""
    confusion = np.array([[450, 50], [50, 450]])
    low, high = summary(confusion).intervals["accuracy"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.9 * 0.1 / 1000), rel=0.1)
    assert low < 0.9 < high


def test_the_bootstrap_repeats_itself() -> None:
    confusion = np.array([[8, 2], [3, 7]])
    assert summary(confusion) == summary(confusion)
    assert summary(confusion, seed=1) != summary(confusion, seed=2)


@pytest.mark.parametrize("wrong", [False, True])
def test_at_the_ends_wilson_gives_the_width(wrong: bool) -> None:
    """Every resample of a perfect answer is perfect, and yet 20 images prove little."""
    confusion = np.array([[0, 10], [10, 0]]) if wrong else np.diag([10, 10])
    found = summary(confusion)
    for name in FIGURES:
        assert found.intervals[name] == pytest.approx(wilson(0 if wrong else 20, 20))


def test_a_class_always_right_beside_one_always_wrong_has_a_width_too() -> None:
    """Every resample says one half, and yet six images prove little."""
    found = summary(np.array([[0, 3], [0, 3]]))
    low, high = found.intervals["balanced_accuracy"]
    assert (low, high) == pytest.approx(wilson(3, 6))
    assert low < 0.5 < high


def test_repeats_of_an_image_prove_nothing_more() -> None:
    confusion = np.array([[40, 10], [5, 45]])
    once, fivefold = summary(confusion), summary(confusion * 5, repeats=5)
    assert fivefold.n == once.n == 100
    for name in FIGURES:
        assert fivefold.values[name] == pytest.approx(once.values[name])
        assert fivefold.intervals[name] == pytest.approx(once.intervals[name])
    for five, single in zip(fivefold.per_class, once.per_class, strict=True):
        assert five.support == 50
        assert five.recall_ci == pytest.approx(single.recall_ci)


def test_a_small_class_counts_in_the_width_of_a_mean_over_classes() -> None:
    """Balanced accuracy rests on the few images of the smallest class; all of them right is less certain than that."""
    found = summary(np.diag([1000, 2]))
    assert found.intervals["accuracy"][0] > 0.99
    assert found.intervals["balanced_accuracy"][0] < 0.7


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_is_scipys(successes: int, trials: int) -> None:
    successes = min(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_is_the_textbooks() -> None:
    """15 of 148 (Newcombe, Statistics in Medicine 17, 1998, table I: 0.0624 to 0.1605) and the ends."""
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_no_images_are_no_knowledge() -> None:
    found = summary(np.zeros((K, K), np.int64))
    assert found.n == 0
    for name in FIGURES:
        assert (found.values[name], found.intervals[name]) == (0.0, (0.0, 1.0))


@given(answers)
def test_the_confusion_matrix_counts_every_image(pairs: np.ndarray) -> None:
    confusion = confusion_matrix(pairs[:, 0], pairs[:, 1], K)
    assert confusion.shape == (K, K)
    assert confusion.sum() == len(pairs)
    for true, answer in pairs:
        confusion[true, answer] -= 1
    assert not confusion.any()
