from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cellcls.ops.curation.drift import measure_drift, roc_auc

NAMES = tuple(f"statistic{number}" for number in range(12))


def sample(seed: int, count: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, len(NAMES)))


def test_equal_sets_cannot_be_told_apart():
    found = [measure_drift(sample(seed), sample(seed + 100), NAMES, seed=seed) for seed in range(20)]
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 17  # an interval of 95% misses one in twenty
    assert max(one.high - one.low for one in found) < 0.1


def test_a_shift_is_named_and_told():
    theirs = sample(1)
    theirs[:, 4] += 2
    found = measure_drift(sample(0), theirs, NAMES)
    assert found.shifts[0].name == "statistic4"
    assert found.shifts[0].effect == pytest.approx(2, abs=0.3)
    assert abs(found.shifts[1].effect) < 0.3
    assert found.low > 0.85
    assert found.low <= found.auc <= found.high


def test_the_other_way_round_it_is_the_other_way_round():
    theirs = sample(1)
    theirs[:, 4] += 2
    there, back = measure_drift(sample(0), theirs, NAMES), measure_drift(theirs, sample(0), NAMES)
    assert back.shifts[0].effect == pytest.approx(-there.shifts[0].effect)
    assert back.auc == pytest.approx(there.auc, abs=0.03)


def test_the_same_pictures_in_both_sets_say_nothing():
    """Judged apart, a classifier with more statistics than images would know each picture by heart."""
    values = np.random.default_rng(0).normal(size=(60, 200))
    hashes = [str(number) for number in range(60)]
    names = [str(number) for number in range(200)]
    found = measure_drift(values, values, names, our_hashes=hashes, their_hashes=hashes)
    assert found.auc == pytest.approx(0.5, abs=0.02)
    assert found.low <= 0.5 <= found.high


@given(st.integers(0, 99))
def test_the_area_is_that_of_scikit_learn(seed: int):
    rng = np.random.default_rng(seed)
    labels = np.r_[0, 1, rng.integers(0, 2, 30)]
    scores = rng.integers(0, 10, 32) / 10  # with ties
    assert roc_auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))


def test_a_handful_or_one_picture_many_times_says_nothing():
    apart = sample(1) + 9
    for theirs, hashes in ((apart[:19], None), (np.repeat(apart[:1], 100, axis=0), ["same"] * 100)):
        found = measure_drift(sample(0), theirs, NAMES, their_hashes=hashes)
        assert (found.auc, found.low, found.high) == (None, None, None)
        assert abs(found.shifts[0].effect) > 1


@given(st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_any_two_sets_can_be_compared(count: int, other: int, constant: bool):
    ours, theirs = (np.zeros((n, 12)) if constant else sample(n, n) for n in (count, other))
    found = measure_drift(ours, theirs, NAMES)
    if found.auc is not None:
        assert 0 <= found.low <= found.high <= 1
    assert np.isfinite([shift.effect for shift in found.shifts]).all()
    assert len(found.shifts) == (12 if count and other else 0)
    if constant:
        assert all(shift.effect == 0 for shift in found.shifts)


def test_it_is_the_same_each_time():
    assert measure_drift(sample(0), sample(1), NAMES, seed=3) == measure_drift(sample(0), sample(1), NAMES, seed=3)
