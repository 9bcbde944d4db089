from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, permutation_test

from cellcls.ops.statistics.paired import Paired, difference_interval, mcnemar, paired, repeated, sign_flip

counts = st.builds(Paired, **{name: st.integers(0, 400) for name in ("both", "first", "second", "neither")})


@given(st.integers(0, 600), st.integers(0, 600))
def test_mcnemar_is_the_exact_test_of_a_fair_coin(first, second):
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(first, second) == mcnemar(second, first)


def test_the_interval_is_newcombes_published_one():
    # his table of examples: 36 right by both, 12 and 2 by one, none by neither
    low, high = difference_interval(Paired(both=36, first=12, second=2, neither=0))
    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)


@given(counts)
def test_the_interval_holds_the_difference_and_turns_with_it(found):
    low, high = difference_interval(found)
    assert -1 <= low <= found.difference <= high <= 1
    turned = Paired(both=found.both, first=found.second, second=found.first, neither=found.neither)
    assert difference_interval(turned) == pytest.approx((-high, -low))


def test_no_images_tell_nothing():
    nothing = Paired(both=0, first=0, second=0, neither=0)
    assert (nothing.difference, difference_interval(nothing), mcnemar(0, 0)) == (0, (-1, 1), 1)


def test_images_are_counted_by_who_was_right():
    first = np.array([1, 1, 1, 0, 0, 0], bool)
    second = np.array([1, 0, 0, 1, 0, 0], bool)
    found = paired(first, second)
    assert found == Paired(both=1, first=2, second=1, neither=2)
    assert (found.n, found.difference) == (6, pytest.approx(1 / 6))


@given(st.integers(0, 40), st.integers(0, 40))
def test_images_seen_once_are_judged_as_by_mcnemar(first, second):
    assert sign_flip([1] * first + [-1] * second + [0] * 5) == pytest.approx(mcnemar(first, second))


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=9))
def test_the_sign_flip_counts_all_signs(differences):
    flips = {"permutation_type": "samples", "n_resamples": np.inf}
    oracle = permutation_test([np.array(differences, float)], np.sum, vectorized=True, **flips)
    assert sign_flip(differences) == pytest.approx(min(1, oracle.pvalue))


def test_copies_of_an_image_add_nothing_that_it_did_not_say():
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.9, rng.random(200) < 0.8
    once, copied = paired(first, second), repeated(*(np.tile(one[:, None], 55) for one in (first, second)))
    assert (copied.n, copied.first) == (200, 55 * once.first)
    assert (copied.difference, copied.p) == (pytest.approx(once.difference), pytest.approx(once.p))
    assert copied.interval == pytest.approx(once.interval, abs=0.01)


def test_repeated_images_that_all_say_the_same_leave_a_width():
    right, wrong = np.ones((20, 5), bool), np.zeros((20, 5), bool)
    assert repeated(right, wrong).interval == difference_interval(Paired(both=0, first=20, second=0, neither=0))
    assert repeated(right, right).interval == difference_interval(Paired(both=20, first=0, second=0, neither=0))
    assert repeated(right[:0], wrong[:0]).interval == (-1, 1)
    assert (repeated(right[:0], wrong[:0]).p, repeated(right, right).p) == (1, 1)
