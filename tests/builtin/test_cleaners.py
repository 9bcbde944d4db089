from __future__ import annotations

from itertools import permutations
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import Cleaner, Decision, Input, Source
from cellcls.builtin.cleaners import DropDuplicates, DropIndices, DropOutliers
from cellcls.builtin.datasets import Npz
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.split import split
from cellcls.ops.storage.hashing import content_hashes


class Labels(Source):
    """Labels without images, for rules that look at copies only."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.class_names = tuple(map(str, range(8)))

    def read(self, indices: np.ndarray) -> np.ndarray:
        raise AssertionError("a rule about copies needs no pixels")


def clean(groups: Groups, labels: np.ndarray, *cleaners: Cleaner) -> tuple[np.ndarray, list[Decision]]:
    """What the engine does: each cleaner sees the original groups and what is left."""
    kept = np.ones(len(groups), dtype=bool)
    decisions: list[Decision] = []
    for cleaner in cleaners:
        made = cleaner.build(source=Labels(labels), groups=groups, kept=kept.copy())
        assert all(kept[decision.index] for decision in made)
        kept[[decision.index for decision in made]] = False
        decisions += made
    return kept, decisions


def cleaned(hashes: str, labels: list[int], *cleaners: Cleaner) -> list[int]:
    kept, _ = clean(group_by_hash(hashes), np.array(labels), *cleaners)
    return np.flatnonzero(~kept).tolist()


def test_agreeing_copies_lose_all_but_the_first_or_none() -> None:
    assert cleaned("abacbd", [0, 1, 0, 1, 1, 0], DropDuplicates()) == [2, 4]
    assert cleaned("abacbd", [0, 1, 0, 1, 1, 0], DropDuplicates(agreeing="keep_all")) == []


def test_conflicting_copies_go_as_a_whole() -> None:
    for agreeing in ("keep_first", "keep_all"):
        assert cleaned("abaca", [0, 1, 0, 1, 1], DropDuplicates(agreeing=agreeing)) == [0, 2, 4]


def test_a_picture_repeated_far_above_the_rest_goes_as_a_whole() -> None:
    assert cleaned("abc" + "x" * 30, [0] * 33, DropOutliers()) == list(range(3, 33))
    assert cleaned("abc" + "x" * 30, [0] * 33, DropOutliers(times=31)) == []
    assert cleaned("aabbcd", [0] * 6, DropOutliers()) == []


def test_ranges_include_their_ends(caplog: pytest.LogCaptureFixture) -> None:
    assert cleaned("abcdefgh", [0] * 8, DropIndices(ranges=((1, 2), (5, 5)))) == [1, 2, 5]
    assert not caplog.records
    assert cleaned("abcdefgh", [0] * 8, DropIndices(ranges=((6, 100), (200, 201)))) == [6, 7]
    assert "beyond the set's 8 images" in caplog.text


@pytest.mark.parametrize("wrong", [(3, 2), (-1, 2)])
def test_a_range_that_is_none_is_refused(wrong: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="`ranges` needs 0 <= first <= last"):
        DropIndices(ranges=((0, 1), wrong))


def test_a_decision_names_the_image_and_says_why() -> None:
    groups = group_by_hash("abab")
    _, decisions = clean(groups, np.array([0, 1, 0, 0]), DropDuplicates())
    assert [attrs.astuple(decision) for decision in decisions] == [
        (2, "a", "drop_duplicates", "a copy of image 0, same label"),
        (1, "b", "drop_duplicates", "one of 2 copies that carry 2 different labels"),
        (3, "b", "drop_duplicates", "one of 2 copies that carry 2 different labels"),
    ]


@given(st.data())
def test_the_order_of_the_cleaners_does_not_matter(data: st.DataObject) -> None:
    hashes = data.draw(st.lists(st.sampled_from("abcdefghijklm"), max_size=30)) + ["x"] * data.draw(st.integers(0, 40))
    hashes = data.draw(st.permutations(hashes))
    labels = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(hashes), max_size=len(hashes))), dtype=int)
    rules = [DropDuplicates(), DropOutliers(), DropIndices(ranges=((0, 3),))]
    kept = [clean(group_by_hash(hashes), labels, *order)[0].tolist() for order in permutations(rules)]
    assert all(one == kept[0] for one in kept)


@attrs.frozen
class Opened:
    groups: Groups
    labels: np.ndarray
    names: tuple[str, ...]


def opened(path: Path, cache: Path) -> Opened:
    source = Npz(file=path).build(path=path, input=Input(size=96), cache=cache)
    return Opened(group_by_hash(content_hashes(source.read, len(source))), source.labels, source.class_names)


@pytest.fixture(scope="module")
def challenge(challenge_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return opened(challenge_npz, tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("outliers_first", [True, False])
def test_the_challenge_file(challenge: Opened, outliers_first: bool) -> None:
    rules: list[Cleaner] = [DropOutliers(), DropDuplicates()]
    kept, decisions = clean(challenge.groups, challenge.labels, *(rules if outliers_first else reversed(rules)))
    dropped = np.array([decision.index for decision in decisions])
    assert len(kept) == 13_759
    assert kept.sum() == 11_951
    assert len(decisions) == len(set(dropped.tolist())) == 1_808
    assert not kept[11_959:].any()  # the junk: 1,600 and 200 copies of pictures that are no cell
    assert kept[11_958]  # the last cell; the report drops it with the junk
    cells = [decision for decision in decisions if decision.index < 11_959]
    assert sum("same label" in decision.reason for decision in cells) == 6
    assert sum("different labels" in decision.reason for decision in cells) == 2


def test_the_challenge_file_with_agreeing_copies_kept(challenge: Opened) -> None:
    kept, _ = clean(challenge.groups, challenge.labels, DropDuplicates(agreeing="keep_all"), DropOutliers())
    assert kept.sum() == 11_957


def test_the_reports_own_range(challenge: Opened) -> None:
    kept, _ = clean(challenge.groups, challenge.labels, DropIndices(ranges=((11_958, 13_758),)))
    assert kept.sum() == 11_958


def test_variants_with_other_cleaners_test_on_nearly_the_same_cells(challenge: Opened) -> None:
    variants: list[list[Cleaner]] = [[], [DropOutliers(), DropDuplicates()], [DropIndices(ranges=((11_958, 13_758),))]]
    tests = []
    for cleaners in variants:
        kept, _ = clean(challenge.groups, challenge.labels, *cleaners)
        parts = split(challenge.groups, challenge.labels, kept, challenge.names, val=0.1, test=0.1, seed=42)
        tests.append(set(parts["test"].tolist()))
    assert 1_190 <= len(tests[0]) <= 1_200
    assert all(len(tests[0] ^ other) <= 8 for other in tests[1:])


def test_the_small_challenge_file(small_challenge_npz: Path, tmp_path: Path) -> None:
    small = opened(small_challenge_npz, tmp_path)
    kept, _ = clean(small.groups, small.labels, DropOutliers(), DropDuplicates())
    assert not kept[320:].any()
    assert kept[:320].sum() >= 318
