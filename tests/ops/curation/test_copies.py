from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.ops.curation.copies import group_by_hash


def of_sizes(*sizes: int) -> list[str]:
    return [str(group) for group, size in enumerate(sizes) for _ in range(size)]


@given(st.lists(st.sampled_from("abcdef")), st.data())
def test_groups_are_the_equal_hashes(hashes: list[str], data: st.DataObject) -> None:
    groups = group_by_hash(hashes)
    for i, one in enumerate(hashes):
        for j, other in enumerate(hashes):
            assert (groups.group[i] == groups.group[j]) == (one == other)
    assert groups.sizes().tolist() == [hashes.count(value) for value in dict.fromkeys(hashes)]
    assert [hashes[first] for first in groups.firsts()] == list(dict.fromkeys(hashes))
    copied = {tuple(i for i, h in enumerate(hashes) if h == value) for value in hashes if hashes.count(value) > 1}
    assert {tuple(members.tolist()) for members in groups.copied()} == copied
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(hashes), max_size=len(hashes))), dtype=int)
    expected = [
        len({label for label, h in zip(labels, hashes, strict=True) if h == v}) > 1 for v in dict.fromkeys(hashes)
    ]
    assert groups.conflicting(labels).tolist() == expected


@pytest.mark.parametrize(
    ("sizes", "far_above"),
    [
        ([1] * 500 + [2] * 7 + [1600, 200], [1600, 200]),  # the challenge's file, smaller
        ([1] * 5 + [30], [30]),
        ([1] * 30 + [11, 40], [11, 40]),
        ([2] * 30 + [40], [40]),  # every image twice
        ([1] * 30 + [2] * 30, []),
        ([1] * 30 + [9], []),
        ([1] * 40 + [12] * 10, []),  # a class oversampled by copying
        ([100], []),  # nothing to compare with
        ([1], []),
        ([], []),
    ],
)
def test_far_above_the_rest(sizes: list[int], far_above: list[int]) -> None:
    groups = group_by_hash(of_sizes(*sizes))
    assert groups.sizes()[groups.overrepresented()].tolist() == far_above


@given(st.lists(st.integers(1, 3)))
def test_pairs_and_triples_are_never_far_above(sizes: list[int]) -> None:
    assert not group_by_hash(of_sizes(*sizes)).overrepresented().any()


def test_what_two_sets_share() -> None:
    ours, theirs = group_by_hash("abcbd"), group_by_hash("xbbda")
    assert ours.shared_with(theirs) == {0: 3, 1: 1, 3: 2}
    assert ours.shared_with(group_by_hash("")) == {}
