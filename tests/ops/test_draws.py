import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcls.ops.draws import between, draws, draws_at, permutation

MASK = (1 << 64) - 1


def absorb(state: int, word: int) -> int:
    """SplitMix64's step and finaliser in Python's big integers."""
    z = ((state ^ (word & MASK)) + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def expected(seed: int, epoch: int, sample: int, place: int, index: int) -> float:
    state = 0
    for word in (seed, epoch, sample, (place << 32) + index):
        state = absorb(state, word)
    return (state >> 40) / 2**24


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 10_000),
    samples=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4),
    place=st.integers(0, 1000),
)
def test_draws_are_the_hash_of_what_they_are_for(seed, epoch, samples, place):
    drawn = draws(seed, epoch, torch.tensor(samples), place, 3)
    assert drawn.dtype == torch.float32
    assert drawn.tolist() == [[expected(seed, epoch, sample, place, i) for i in range(3)] for sample in samples]


def test_the_bits_do_not_change_between_versions():
    # a change here changes every augmented run ever made
    assert (draws(42, 3, torch.tensor([0, 11958]), 2, 2) * 2**24).tolist() == [[6799484, 16569607], [7347380, 9565389]]


def test_draws_do_not_depend_on_the_batch():
    whole = draws(1, 2, torch.arange(100), 4, 5)
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))[:30]
    assert torch.equal(draws(1, 2, order, 4, 5), whole[order])


def test_draws_at_gives_the_same_as_place_by_place():
    ids = torch.arange(10)
    together = draws_at(1, 2, ids, [(0, 0), (0, 1), (3, 0)])
    assert torch.equal(together, torch.cat([draws(1, 2, ids, 0, 2), draws(1, 2, ids, 3, 1)], dim=1))
    assert draws_at(1, 2, ids, []).shape == (10, 0)


def test_draws_are_uniform():
    drawn = draws(0, 0, torch.arange(20_000), 0, 5)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    for column in drawn.T:
        counts = torch.histc(column, 100, 0, 1)
        chi_square = ((counts - 200) ** 2 / 200).sum()
        assert 50 < chi_square < 160  # 99 degrees of freedom: beyond either end with p < 1e-4


@pytest.mark.parametrize("what", ["sample", "place", "index", "epoch", "seed"])
def test_neighbours_are_independent(what):
    ids = torch.arange(20_000)
    first = draws(5, 5, ids, 5, 2)
    second = {
        "sample": lambda: draws(5, 5, ids + 1, 5, 2)[:, 0],
        "place": lambda: draws(5, 5, ids, 6, 2)[:, 0],
        "index": lambda: first[:, 1],
        "epoch": lambda: draws(5, 6, ids, 5, 2)[:, 0],
        "seed": lambda: draws(6, 5, ids, 5, 2)[:, 0],
    }[what]()
    correlation = torch.corrcoef(torch.stack([first[:, 0], second]))[0, 1]
    assert abs(correlation) < 4 / 20_000**0.5


def test_permutation_holds_each_sample_once_and_changes_with_the_epoch():
    order = permutation(42, 0, 1000)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(1000))
    assert torch.equal(order, permutation(42, 0, 1000))
    assert (order == permutation(42, 1, 1000)).sum() < 10
    assert (order == permutation(43, 0, 1000)).sum() < 10
    assert permutation(42, 0, 0).tolist() == []


def test_permutation_sorts_by_the_hash():
    keys = [absorb(absorb(absorb(absorb(0, 7), 1), i), -1 << 32) for i in range(50)]
    signed = [key - (1 << 64) if key >> 63 else key for key in keys]
    assert permutation(7, 1, 50).tolist() == sorted(range(50), key=lambda i: signed[i])


def test_between_spreads_over_the_range():
    assert between(torch.tensor([0.0, 0.5]), -10, 10).tolist() == [-10, 0]
