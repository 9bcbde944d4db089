"""Near pairs against every pair, by way of all distances and by way of cells."""

from __future__ import annotations

import numpy as np
import pytest

from cellcls.ops.curation import neighbours
from cellcls.ops.curation.neighbours import Neighbours, near_pairs


def brute_force(points: np.ndarray, radius: float) -> set[tuple[int, int]]:
    distance = np.linalg.norm(points[:, None].astype(float) - points, axis=2)
    return {(int(i), int(j)) for i, j in np.argwhere(distance < radius) if i < j}


def pairs_of(points: np.ndarray, radius: float) -> set[tuple[int, int]]:
    return set(as_pairs(near_pairs(points.astype(np.float32), radius)))


def as_pairs(found: Neighbours) -> list[tuple[int, int]]:
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    """Four hundred places and a near copy of each."""
    rng = np.random.default_rng(0)
    places = rng.normal(size=(400, 12))
    return np.concatenate([places, places + rng.normal(size=places.shape) * 0.02])


def test_every_near_pair_is_found_in_a_small_set(points: np.ndarray):
    found = brute_force(points, 0.5)
    assert len(found) >= 400
    assert pairs_of(points, 0.5) == found


def test_nearly_every_near_pair_is_found_in_a_large_set(points: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "_ALL_PAIRS", 100)
    monkeypatch.setattr(neighbours, "_CELL", 20)
    found, truth = pairs_of(points, 0.5), brute_force(points, 0.5)
    assert found <= truth
    assert len(found) >= 0.98 * len(truth)


@pytest.mark.parametrize("all_pairs", [100, 20_000])
def test_a_crowd_has_a_bounded_number_of_pairs(all_pairs: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(neighbours, "_ALL_PAIRS", all_pairs)
    for crowd in (np.zeros((3000, 4)), np.random.default_rng(0).normal(size=(3000, 4)) * 1e-3):
        found = near_pairs(crowd.astype(np.float32), 0.5)
        assert 2999 <= len(found.first) <= 3000 * 16
        assert (found.first < found.second).all()
        assert found.rank.max() < 16
        assert len(set(found.first.tolist()) | set(found.second.tolist())) == 3000


@pytest.mark.parametrize("count", [0, 1])
def test_no_pairs(count: int):
    assert pairs_of(np.zeros((count, 4)), 1.0) == set()


@pytest.mark.parametrize("all_pairs", [100, 20_000])
def test_some_ask_among_the_others(points: np.ndarray, all_pairs: int, monkeypatch: pytest.MonkeyPatch):
    """However many of their own kind are nearer."""
    monkeypatch.setattr(neighbours, "_ALL_PAIRS", all_pairs)
    monkeypatch.setattr(neighbours, "_CELL", 20)
    crowd = np.concatenate([points[:400], points[:400], points[400:]]).astype(np.float32)
    found = near_pairs(crowd, 0.5, queries=800)
    truth = {(i, j) for i, j in brute_force(crowd, 0.5) if i < 800 <= j}
    assert set(as_pairs(found)) <= truth
    assert len(found.first) >= 0.98 * len(truth)
    distance = np.linalg.norm(crowd[found.first] - crowd[found.second], axis=1)
    np.testing.assert_allclose(np.sqrt(np.maximum(found.squares, 0)), distance, atol=1e-2)


@pytest.mark.parametrize("askers", [0, 1, 3])
def test_few_ask_or_are_asked(askers: int):
    assert len(near_pairs(np.zeros((3, 4), np.float32), 1.0, queries=askers).first) == askers * (3 - askers)
