from __future__ import annotations

import math
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import Choice, Search
from cellcls.builtin.searches import Grid, Random
from cellcls.builtin.searches.draw import at

RATE = Choice(low=1e-5, high=1e-2, log=True)
SPACE = {"lr": RATE, "size": Choice(low=16, high=64), "use": Choice(values=("a", "b", "c"))}


def proposed(search: Search, count: int, seed: int = 0) -> list[dict]:
    propose = search.build(seed=seed)
    return [dict(propose(number, [])) for number in range(count)]


@given(st.integers(0, 2**62), st.integers(0, 10**6))
def test_a_draw_lies_in_its_range_and_repeats_itself(seed: int, number: int):
    search = Random(space=SPACE)
    found = search.build(seed=seed)(number, [])
    assert 1e-5 <= found["lr"] <= 1e-2
    assert type(found["size"]) is int
    assert 16 <= found["size"] <= 64
    assert found["use"] in "abc"
    assert found == search.build(seed=seed)(number, [])


def test_draws_are_spread_evenly_over_ratios_and_values():
    found = proposed(Random(space=SPACE), 600)
    decades = Counter(math.floor(math.log10(one["lr"])) for one in found)
    assert all(150 < decades[place] < 250 for place in (-5, -4, -3))
    assert all(150 < count < 250 for count in Counter(one["use"] for one in found).values())
    assert len({one["lr"] for one in found}) == 600
    assert found != proposed(Random(space=SPACE), 600, seed=1)


def test_a_grid_tries_every_combination_once_in_order():
    found = proposed(Grid(space=SPACE, points=4), 4 * 4 * 3)
    assert len({tuple(one.items()) for one in found}) == 48
    assert [one["use"] for one in islice(found, 4)] == ["a", "b", "c", "a"]
    rates = sorted({one["lr"] for one in found})
    assert rates == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2])
    assert sorted({one["size"] for one in found}) == [16, 32, 48, 64]
    assert proposed(Grid(space=SPACE, points=4), 49)[48] == found[0]


def test_few_whole_numbers_are_tried_once():
    found = proposed(Grid(space={"epochs": Choice(low=1, high=2)}, points=5), 2)
    assert [one["epochs"] for one in found] == [1, 2]


@pytest.mark.parametrize("log", [False, True])
def test_whole_numbers_are_as_likely_as_their_share(log: bool):
    """Of evenly spaced shares each number gets its own: k to below k + 1, or the ratio of the two."""
    choice = Choice(low=1, high=3, log=log)
    found = Counter(at(choice, place / 30_000) for place in range(30_000))
    expected = {k: (math.log((k + 1) / k) / math.log(4) if log else 1 / 3) * 30_000 for k in (1, 2, 3)}
    assert {k: found[k] for k in expected} == pytest.approx(expected, abs=1)
    assert sum(found.values()) == 30_000


def test_drawn_whole_numbers_are_even():
    found = Counter(one["size"] for one in proposed(Random(space={"size": Choice(low=1, high=3)}), 3000))
    assert sorted(found) == [1, 2, 3]
    chi_squared = sum((count - 1000) ** 2 / 1000 for count in found.values())
    assert chi_squared < 9.21  # 1% of the even ones lie above, and these draws are the same every time


def test_a_search_knows_how_many_different_trials_it_has():
    assert Random(space=SPACE).combinations() is None
    assert Grid(space=SPACE, points=4).combinations() == 48
    assert Grid(space={"epochs": Choice(low=1, high=2)}, points=5).combinations() == 2


def test_losses_are_best_low():
    assert Random(metric="val.loss").lowest
    assert not Random(metric="val.accuracy").lowest
