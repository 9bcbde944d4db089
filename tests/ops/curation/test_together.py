"""Groups kept in one part: patients, slides."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import DataError
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.split import split
from cellcls.ops.curation.together import assign, components

SHARES = (0.6, 0.2, 0.2)


def cut(patients: list[str], labels: list[int], *, hashes: list[str] | None = None, seed: int = 42, share: float = 0.2):
    groups = group_by_hash(hashes or [str(row) for row in range(len(patients))])
    kept = np.ones(len(patients), dtype=bool)
    names = ("a", "b", "c")[: max(labels) + 1]
    return split(groups, np.array(labels), kept, names, val=share, test=share, seed=seed, together=patients)


def parts_of(parts: dict[str, np.ndarray], patients: list[str]) -> dict[str, set[str]]:
    return {part: {patients[index] for index in indices} for part, indices in parts.items()}


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), max_size=60), st.integers(0, 3))
def test_each_image_is_in_one_part_and_no_patient_in_two(drawn: list[tuple[int, int]], seed: int) -> None:
    drawn += [(patient, label) for patient in (10, 11, 12) for label in range(3)]  # so that each part can have all
    patients = [f"p{patient}" for patient, _ in drawn]
    labels = [label for _, label in drawn]
    parts = cut(patients, labels, seed=seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(drawn)))
    held = parts_of(parts, patients)
    assert held["train"].isdisjoint(held["val"] | held["test"])
    assert held["val"].isdisjoint(held["test"])
    for indices in parts.values():
        assert {labels[index] for index in indices} == {0, 1, 2}


def test_three_patients_are_one_for_each_part() -> None:
    patients = ["x"] * 30 + ["y"] * 6 + ["z"] * 6
    parts = cut(patients, [0, 1] * 21)
    assert parts_of(parts, patients)["train"] == {"x"}
    assert sorted(map(len, parts.values())) == [6, 6, 30]


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_about_as_balanced_as_any_assignment_can_make_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 20, (8, 3))
    wanted = np.array(SHARES)[:, None] * counts.sum(0)

    def off(part: np.ndarray) -> float:
        held = np.stack([counts[part == place].sum(0) for place in range(3)])
        return float(((held - wanted) ** 2 / wanted / counts.sum(0)).sum()) + 1e3 * int((held == 0).sum())

    every = [off(np.array(part)) for part in product(range(3), repeat=8)]
    found = off(assign(counts, SHARES, lambda attempt: range(8)))
    assert found <= np.quantile(every, 0.005)


def test_many_groups_come_close_to_the_shares() -> None:
    rng = np.random.default_rng(0)
    patients = [f"p{number}" for number in rng.integers(0, 100, 2000)]
    labels = rng.choice(3, 2000, p=[0.7, 0.25, 0.05])
    parts = cut(patients, labels.tolist())
    for part, share in zip(("train", "val", "test"), SHARES, strict=True):
        found = np.bincount(labels[parts[part]], minlength=3) / np.bincount(labels)
        np.testing.assert_allclose(found, share, atol=0.02)


def test_the_split_does_not_depend_on_the_order_of_the_images_but_on_the_seed() -> None:
    patients = [f"p{row // 3}" for row in range(90)]
    labels = [row % 2 for row in range(90)]
    hashes = [f"h{row}" for row in range(90)]
    order = np.random.default_rng(0).permutation(90)
    first = parts_of(cut(patients, labels, hashes=hashes), patients)
    mixed = [patients[row] for row in order]
    again = cut(mixed, [labels[row] for row in order], hashes=[hashes[row] for row in order])
    assert parts_of(again, mixed) == first
    assert parts_of(cut(patients, labels, hashes=hashes, seed=1), patients) != first


def test_copies_bind_the_patients_that_share_them() -> None:
    patients = [f"p{row // 4}" for row in range(48)]
    hashes = [str(row) for row in range(48)]
    hashes[4] = hashes[0]
    held = parts_of(cut(patients, [0, 1] * 24, hashes=hashes), patients)
    assert [{"p0", "p1"} <= inside for inside in held.values()].count(True) == 1


def test_a_patient_with_one_image_under_two_labels_is_in_train() -> None:
    patients = [f"p{row // 4}" for row in range(48)]
    hashes = [str(row) for row in range(48)]
    hashes[1] = hashes[0]
    for seed in range(5):
        assert "p0" in parts_of(cut(patients, [0, 1] * 24, hashes=hashes, seed=seed), patients)["train"]


def test_what_cannot_be_split_is_refused_with_figures() -> None:
    patients = [f"p{row // 4}" for row in range(24)]
    labels = [2 if row < 3 else row % 2 for row in range(24)]
    with pytest.raises(DataError, match=r"class `c` has 3 images in 1 of 6 groups, none for") as caught:
        cut(patients, labels)
    assert "val or test to 0 in [split]" in str(caught.value)


def test_groups_join_where_they_share_an_image() -> None:
    assert components(["a", "b", "c", "d"], [1, 2, 2, 3]).tolist() == [0, 1, 1, 2]
    assert components(["a", "b", "a"], np.array([0, 1, 1])).tolist() == [0, 0, 0]
