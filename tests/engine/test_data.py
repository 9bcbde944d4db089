"""From a data set to parts: who is dropped, who is refused, and what is written of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import pytest
from support.recipes import tiny
from support.sources import Held, noise

from cellcls.engine.data import Data, prepare
from cellcls.engine.job import Job
from cellcls.errors import DataError, RecipeError

Prepared = Callable[..., Data]


@pytest.fixture
def prepared(make_job: Callable[..., Job], tmp_path: Path) -> Prepared:
    """Return a function that prepares arrays, written as an npz, as a tiny recipe with lines added says."""

    def make(more: str = "", split: dict[str, float] | None = None, **arrays: np.ndarray) -> Data:
        np.savez(tmp_path / "cells.npz", **arrays)
        use = "medmnist" if "train_images" in arrays else "npz"
        dataset = {"use": use, "file": str(tmp_path / "cells.npz")}
        return prepare(make_job(tiny=tiny(more, dataset=dataset, split=split)).inputs)

    return make


def test_each_class_is_parted_in_the_same_shares(make_job) -> None:
    data = prepare(make_job().inputs)  # ten cells of each of eight classes
    assert [np.bincount(data.source.labels[data.parts[part]]).tolist() for part in ("train", "val", "test")] == [
        [6] * 8,
        [2] * 8,
        [2] * 8,
    ]
    assert sorted(np.concatenate(list(data.parts.values()))) == list(range(80))
    assert data.by_class(np.array([0, 0, 79])) == dict.fromkeys(data.classes, 0) | {
        data.classes[data.source.labels[0]]: 2,
        data.classes[data.source.labels[79]]: 1,
    }


def test_copies_of_an_image_are_in_one_part(prepared: Prepared) -> None:
    images = noise(40, 32)
    labels = np.arange(40) % 8
    data = prepared(split={"val": 0.2, "test": 0.2}, images=np.concatenate([images, images]), labels=np.tile(labels, 2))
    for rows in data.parts.values():
        assert {(row + 40) % 80 for row in rows} == set(rows)


def test_images_of_one_class_are_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match=r"all 6 images are of one class, `immature_granulocyte`"):
        prepared(images=noise(6, 32), labels=np.full(6, 3))


CONFLICT = {"images": np.repeat(noise(1, 32, seed=9), 2, axis=0), "labels": np.array([0, 1])}
"""The same image under two labels."""


def test_cleaners_that_leave_nothing_are_refused(prepared: Prepared) -> None:
    with pytest.raises(DataError, match="the cleaners dropped all 2 images"):
        prepared('[[cleaners]]\nuse = "drop_duplicates"\n', **CONFLICT)


def test_what_one_cleaner_dropped_no_other_decides_on(prepared: Prepared) -> None:
    images, labels = np.concatenate([noise(40, 32), CONFLICT["images"]]), np.append(np.arange(40) % 8, [0, 1])
    once = '[[cleaners]]\nuse = "drop_duplicates"\n'
    data = prepared(once + once, images=images, labels=labels)
    assert sorted(decision.index for decision in data.decisions) == [40, 41]
    assert not {40, 41} & set(np.concatenate(list(data.parts.values())))


def own_parts(**counts: int) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for seed, part in enumerate(("train", "val", "test")):
        arrays[f"{part}_images"] = noise(counts[part], 32, seed)
        arrays[f"{part}_labels"] = (np.arange(counts[part]) % 8)[:, None].astype(np.uint8)
    return arrays


def test_a_set_with_its_own_parts_keeps_them(prepared: Prepared) -> None:
    data = prepared(**own_parts(train=16, val=8, test=4))
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {
        "train": list(range(16)),
        "val": list(range(16, 24)),
        "test": list(range(24, 28)),
    }
    with pytest.raises(RecipeError, match="`medmnist` brings its own train, val and test"):
        prepared(split={"val": 0.3}, **own_parts(train=16, val=8, test=4))


def test_a_split_that_given_data_does_not_use_is_told(make_job, tmp_path: Path, caplog) -> None:
    file = tmp_path / "own.npz"
    np.savez(file, **own_parts(train=16, val=8, test=4))
    recipe = tiny(dataset={"use": "medmnist", "file": str(file)}, split={"test": 0.3})
    data = prepare(attrs.evolve(make_job(tiny=recipe).inputs, given=True))
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 16, "val": 8, "test": 4}
    assert "[split] test = 0.3 is not used" in caplog.text


def test_the_record_counts_before_and_after_cleaning() -> None:
    source = Held(noise(6), labels=[0, 0, 1, 1, 1, 0])
    parts = {"train": np.array([3, 0]), "val": np.array([2]), "test": np.array([5])}
    data = Data(source=source, hash="00", parts=parts, decisions=(), hashes=tuple("fedcba"))
    record = data.record("mine")
    assert record.counts == {
        "before": {"a": 3, "b": 3},
        "after": {"a": 2, "b": 2},
        "train": {"a": 1, "b": 1},
        "val": {"a": 0, "b": 1},
        "test": {"a": 1, "b": 0},
    }
    assert (record.n, record.dataset, record.names) == (6, "mine", None)
    assert record.trained_on == ("c", "f")  # hashes of 3 and 0, in their own order
    assert record.parts == {"train": (3, 0), "val": (2,), "test": (5,)}
