from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import DataError, RecipeError
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.split import split

NAMES = ("basophil", "eosinophil", "erythroblast")
PARTS = ("train", "val", "test")


@st.composite
def sets(draw: st.DrawFn) -> dict[str, Any]:
    """A set whose every class has enough pictures of its own, with copies, conflicts, outliers and dropped images."""
    images: list[tuple[str, int]] = []
    for label in range(len(NAMES)):
        sizes = draw(st.lists(st.integers(1, 4), min_size=3, max_size=25))
        images += [(f"{label}-{group}", label) for group, size in enumerate(sizes) for _ in range(size)]
    images += [("conflict", label) for label in draw(st.lists(st.integers(0, 2), max_size=4))]
    images += [("outlier", 1)] * draw(st.sampled_from([0, 60]))
    images = draw(st.permutations(images))
    labels = np.array([label for _, label in images])
    first = {name: place for place, (name, _) in reversed(list(enumerate(images)))}
    chance = draw(st.lists(st.booleans(), min_size=len(images), max_size=len(images)))
    kept = np.array(
        [keep or first[name] == place for place, ((name, _), keep) in enumerate(zip(images, chance, strict=True))]
    )
    return {"groups": group_by_hash([name for name, _ in images]), "labels": labels, "kept": kept}


shares = st.sampled_from([(0.1, 0.1), (0.2, 0.3), (0.0, 0.25), (0.3, 0.0), (0.0, 0.0)])
seeds = st.integers(0, 5)


def cut(one: dict[str, Any], share: tuple[float, float], seed: int) -> dict[str, np.ndarray]:
    return split(one["groups"], one["labels"], one["kept"], NAMES, val=share[0], test=share[1], seed=seed)


def always_train(groups: Groups, labels: np.ndarray) -> np.ndarray:
    return (groups.conflicting(labels) | groups.overrepresented())[groups.group]


@given(sets(), shares, seeds)
def test_the_parts_are_the_kept_images_each_once(one: dict[str, Any], share: tuple[float, float], seed: int) -> None:
    parts = cut(one, share, seed)
    assert tuple(parts) == PARTS
    assert all((np.diff(indices) > 0).all() for indices in parts.values())
    np.testing.assert_array_equal(np.sort(np.concatenate(list(parts.values()))), np.flatnonzero(one["kept"]))
    assert all(bool(len(parts[part])) == bool(wanted) for part, wanted in zip(("val", "test"), share, strict=True))


@given(sets(), shares, seeds)
def test_no_content_crosses_and_odd_groups_are_train(
    one: dict[str, Any], share: tuple[float, float], seed: int
) -> None:
    parts = cut(one, share, seed)
    held = [set(one["groups"].group[parts[part]].tolist()) for part in PARTS]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]
    odd = np.flatnonzero(always_train(one["groups"], one["labels"]) & one["kept"])
    assert set(odd.tolist()) <= set(parts["train"].tolist())


@given(sets(), shares, seeds)
def test_each_class_has_its_share_within_one_group(one: dict[str, Any], share: tuple[float, float], seed: int) -> None:
    parts = cut(one, share, seed)
    counted = one["kept"] & ~always_train(one["groups"], one["labels"])
    for label in range(len(NAMES)):
        members = counted & (one["labels"] == label)
        largest = np.bincount(one["groups"].group[members]).max()
        trained = np.intersect1d(parts["train"], np.flatnonzero(members))
        for part, wanted in zip(("val", "test"), share, strict=True):
            got = (one["labels"][parts[part]] == label).sum()
            target = max(1, round(wanted * members.sum())) if wanted else 0
            assert got <= target + largest - 1 if target else got == 0
            # short of it only where a further group would leave none to train on
            assert got >= target or len(np.unique(one["groups"].group[trained])) == 1


@given(sets(), shares, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(
    one: dict[str, Any], share: tuple[float, float], seed: int, random: Any
) -> None:
    order = np.array(random.sample(range(len(one["labels"])), len(one["labels"])))
    hashes = [one["groups"].hashes[place] for place in order]
    other = {"groups": group_by_hash(hashes), "labels": one["labels"][order], "kept": one["kept"][order]}
    before, after = cut(one, share, seed), cut(other, share, seed)
    for part in PARTS:
        assert sorted(order[after[part]].tolist()) == before[part].tolist()


def plain(count: int) -> dict[str, Any]:
    hashes = [f"cell {number}" for number in range(count)]
    return {
        "groups": group_by_hash(hashes),
        "labels": np.arange(count) % len(NAMES),
        "kept": np.ones(count, dtype=bool),
    }


def test_another_seed_is_another_split() -> None:
    one = plain(300)
    tests = [set(cut(one, (0.1, 0.1), seed)["test"].tolist()) for seed in (1, 2)]
    assert len(tests[0] & tests[1]) < 15
    assert len(tests[0]) == len(tests[1]) == 30


def test_dropping_a_few_images_moves_few_others() -> None:
    one = plain(3000)
    before = cut(one, (0.1, 0.1), 42)
    one["kept"][::50] = False
    after = cut(one, (0.1, 0.1), 42)
    moved = set(after["test"].tolist()) - set(before["test"].tolist())
    assert len(moved) <= 12
    assert len(after["test"]) == 294


def test_a_class_that_would_be_empty_is_named() -> None:
    hashes = [*map(str, range(20)), "one", "one"]
    labels = np.array([0, 1] * 10 + [2, 2])
    with pytest.raises(DataError, match="class `erythroblast` has 2 images left, none for val and test") as caught:
        split(group_by_hash(hashes), labels, np.ones(22, dtype=bool), NAMES, val=0.1, test=0.1, seed=0)
    assert "basophil" not in caught.value.message
    assert caught.value.hints


def test_a_class_without_images_is_named_even_where_all_is_train() -> None:
    with pytest.raises(DataError, match="`platelet` has 0 images left"):
        split(group_by_hash("abc"), np.arange(3), np.ones(3, dtype=bool), (*NAMES, "platelet"), val=0, test=0, seed=0)


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_shares_must_leave_something_to_train_on(val: float, test: float) -> None:
    with pytest.raises(RecipeError, match="nothing to train on"):
        split(group_by_hash("abc"), np.arange(3), np.ones(3, dtype=bool), NAMES, val=val, test=test, seed=0)


def test_a_message_about_many_empty_classes_is_short() -> None:
    labels = np.arange(4) * 999
    names = [f"class_{number}" for number in range(3000)]
    groups = group_by_hash([str(number) for number in range(4)])
    with pytest.raises(DataError) as caught:
        split(groups, labels, np.ones(4, bool), names, val=0.1, test=0.1, seed=0)
    assert len(str(caught.value)) < 2000
    assert "2992 more" in caught.value.message
