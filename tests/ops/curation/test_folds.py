"""Cross-validation: each image is tested once, each patient in one fold."""

from __future__ import annotations

import numpy as np
import pytest

from cellcls.errors import DataError
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.folds import split_fold


def cut(labels: np.ndarray, hashes: list[str] | None = None, folds: int = 5, **settings):
    names = [f"class {number}" for number in range(int(labels.max()) + 1)]
    groups = group_by_hash(hashes or [str(row) for row in range(len(labels))])
    kept = np.ones(len(labels), dtype=bool)
    common = {"folds": folds, "val": 0.2, "seed": 42, **settings}
    return [split_fold(groups, labels, kept, names, fold=fold, **common) for fold in range(1, folds + 1)]


def test_each_image_is_tested_once_and_classes_are_balanced() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    found = cut(labels)
    assert sorted(np.concatenate([parts["test"] for parts in found]).tolist()) == list(range(100))
    for parts in found:
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(100))
        assert np.bincount(labels[parts["test"]]).tolist() == [10, 6, 4]
        np.testing.assert_allclose(np.bincount(labels[parts["val"]]), [8, 4.8, 3.2], atol=1)


def test_a_patient_is_in_one_part_of_each_fold() -> None:
    rng = np.random.default_rng(0)
    patients = [f"p{number}" for number in rng.integers(0, 40, 400)]
    labels = rng.integers(0, 2, 400)
    found = cut(labels, together=patients)
    tested = [{patients[row] for row in parts["test"]} for parts in found]
    assert sum(map(len, tested)) == len(set().union(*tested)) == 40
    for parts in found:
        held = [{patients[row] for row in rows} for rows in parts.values()]
        assert sum(map(len, held)) == 40


def test_an_image_under_two_labels_is_never_tested() -> None:
    hashes = [str(row) for row in range(60)]
    hashes[1] = hashes[0]
    found = cut(np.arange(60) % 2, hashes)
    assert sorted(np.concatenate([parts["test"] for parts in found]).tolist()) == list(range(2, 60))
    assert all({0, 1} <= set(parts["train"].tolist()) for parts in found)


def test_too_few_groups_for_the_folds_are_refused_with_figures() -> None:
    patients = [f"p{row // 10}" for row in range(40)]
    with pytest.raises(DataError, match=r"`class 0` has 20 images in 4 of 4 groups, none for fold"):
        cut(np.arange(40) % 2, together=patients)
