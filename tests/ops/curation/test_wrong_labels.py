from __future__ import annotations

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.wrong_labels import _discriminate, confident_issues, find_wrong_labels


def clusters(seed: int, count: int = 600, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    return rng.normal(size=(classes, 12))[labels] * 2 + rng.normal(size=(count, 12)), labels


def alone(count: int):
    return group_by_hash(tuple(map(str, range(count))))


@pytest.mark.parametrize("seed", range(5))
def test_confident_learning_agrees_with_cleanlab(seed: int):
    features, labels = clusters(seed)
    noisy = np.where(np.random.default_rng(seed).random(600) < 0.1, (labels + 1) % 4, labels)
    found = find_wrong_labels(features, noisy, alone(600))
    theirs = find_label_issues(noisy, found.probabilities, filter_by="confident_learning", n_jobs=1)
    assert (found.issue == theirs).mean() > 0.995
    assert found.issue.sum() > 30


def test_the_classifier_is_linear_discriminant_analysis():
    features, labels = clusters(0)
    ours = _discriminate(features[:400], labels[:400], features[400:], 4)
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(features[:400], labels[:400]).predict_proba(features[400:])
    assert np.abs(ours - theirs).max() < 0.03  # a hundredth of shrinkage


def test_flipped_labels_come_first_with_the_right_class():
    features, labels = clusters(1)
    flipped = np.random.default_rng(1).choice(600, 30, replace=False)
    noisy = labels.copy()
    noisy[flipped] = (labels[flipped] + 1) % 4
    found = find_wrong_labels(features, noisy, alone(600))
    first = found.order()[:60]
    assert np.isin(flipped, first).mean() > 0.85
    assert (found.likely[flipped] == labels[flipped]).mean() > 0.9
    assert (np.diff(found.score[found.order()]) <= 0).all()


def test_a_copy_never_judges_its_copy():
    """With its copy in another fold, an image under a wrong label would be found right."""
    rng = np.random.default_rng(0)
    features = np.repeat(rng.normal(size=(100, 80)), 2, axis=0)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    groups = group_by_hash(tuple(str(number // 2) for number in range(200)))
    apart = find_wrong_labels(features, labels, groups)
    together = find_wrong_labels(features, labels, alone(200))
    assert (apart.likely == labels).mean() < 0.7 < (together.likely == labels).mean()


@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 99), st.booleans())
def test_any_set_can_be_judged(count: int, classes: int, seed: int, constant: bool):
    rng = np.random.default_rng(seed)
    features = np.zeros((count, 3)) if constant else rng.normal(size=(count, 3))
    labels = rng.integers(0, classes, count)
    found = find_wrong_labels(features, labels, alone(count))
    assert len(found.order()) == len(found.issue) == len(found.likely) == count
    assert np.isfinite(found.score).all()
    if len(np.unique(labels)) < 2:
        assert not found.issue.any()


def test_nothing_is_confident_without_images():
    assert confident_issues(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)).tolist() == []
