"""The cleaners that judge pictures: they may err, so they say why and their thresholds are settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellcls.api import Cleaner, Decision, Input, Source
from cellcls.builtin.cleaners import DropSuspects, DropWrongLabels
from cellcls.builtin.datasets import Npz
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.suspects import RULES
from cellcls.ops.curation.thresholds import MAX_DISTANCE
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.hashing import content_hashes
from cellcls.registry import load_registry

COUNT = 240


class Images(Source):
    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.class_names = tuple(f"class{number}" for number in range(8))

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


@pytest.fixture(scope="module")
def cells() -> Images:
    images = np.stack([render(number % 8, number, size=48).image for number in range(COUNT)])
    return Images(images, np.arange(COUNT) % 8)


def decide(cleaner: Cleaner, source: Source, kept: np.ndarray | None = None) -> list[Decision]:
    groups = group_by_hash(content_hashes(source.read, len(source)))
    kept = np.ones(len(source), dtype=bool) if kept is None else kept
    return cleaner.build(source=source, groups=groups, kept=kept)


def with_faults(cells: Images) -> Images:
    """A black picture and noise behind the cells."""
    noise = np.random.default_rng(0).integers(0, 256, (1, 48, 48, 3), dtype=np.uint8)
    return Images(np.concatenate([cells.images, np.zeros_like(noise), noise]), np.r_[cells.labels, 0, 0])


def test_suspects_go_once_each_with_all_reasons(cells: Images):
    reasons = {one.index: one.reason for one in decide(DropSuspects(), with_faults(cells))}
    assert {COUNT, COUNT + 1} <= set(reasons)
    assert len(reasons) <= 6
    assert "dark: " in reasons[COUNT]
    assert "blank: " in reasons[COUNT]


def test_only_the_rules_named_drop(cells: Images):
    assert [one.index for one in decide(DropSuspects(rules=("dark",)), with_faults(cells))] == [COUNT]


def test_how_far_is_a_setting(cells: Images):
    far, further = (decide(DropSuspects(rules=("far_away",), max_distance=limit), cells) for limit in (0.5, 100.0))
    assert len(far) > 5
    assert not further


def test_the_settings_are_those_of_the_rules():
    assert set(DropSuspects().rules) == set(RULES)
    assert DropSuspects().max_distance == MAX_DISTANCE


def test_a_wrong_label_goes_and_is_named(cells: Images):
    labels = cells.labels.copy()
    labels[[8, 19, 100]] = (labels[[8, 19, 100]] + 3) % 8
    found = decide(DropWrongLabels(margin=0.5), Images(cells.images, labels))
    reasons = {one.index: one.reason for one in found}
    assert {8, 19, 100} <= set(reasons)
    assert len(found) <= 24  # with 30 images a class some judgements are wrong
    assert reasons[8].startswith("labelled class3, looks like class0 (likelier by ")


def test_near_copies_do_not_vouch_for_a_wrong_label(cells: Images):
    """Labels drawn at random, on few images with many statistics: a copy in another fold repeats its label."""
    images = cells.images[:80]
    turned = np.rot90(images, axes=(1, 2))
    labels = np.tile(np.random.default_rng(0).integers(0, 2, len(images)), 2)
    found = decide(DropWrongLabels(margin=0), Images(np.concatenate([images, turned]), labels))
    assert len(found) > 0.25 * len(labels)


def test_a_wider_margin_drops_less():
    """Of classes that overlap, some judgements are sure and some are not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, COUNT)
    shade = 120 + 10 * labels + rng.normal(0, 8, COUNT)
    images = np.clip(shade[:, None, None, None] + rng.normal(0, 4, (COUNT, 8, 8, 3)), 0, 255).astype(np.uint8)
    source = Images(images, labels)
    wide, narrow, none = ({one.index for one in decide(DropWrongLabels(margin=m), source)} for m in (0.99, 0.2, 0.0))
    assert wide < narrow <= none


def test_junk_under_many_labels_is_neither_judged_nor_learnt_from(cells: Images):
    labels = cells.labels.copy()
    labels[8] = 3
    junk = np.full((160, 48, 48, 3), 77, dtype=np.uint8)
    alone = decide(DropWrongLabels(margin=0.5), Images(cells.images, labels))
    beside = decide(
        DropWrongLabels(margin=0.5), Images(np.concatenate([cells.images, junk]), np.r_[labels, np.arange(160) % 8])
    )
    assert [one.index for one in beside] == [one.index for one in alone]


@pytest.mark.parametrize("cleaner", [DropSuspects(), DropWrongLabels()])
def test_what_is_gone_already_is_not_named_again(cells: Images, cleaner: Cleaner):
    assert decide(cleaner, with_faults(cells), np.zeros(COUNT + 2, dtype=bool)) == []


@pytest.mark.parametrize("cleaner", [DropSuspects(), DropWrongLabels()])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_handful_of_images_is_left_alone(cells: Images, cleaner: Cleaner, count: int):
    assert decide(cleaner, Images(cells.images[:count], cells.labels[:count])) == []


def test_one_class_has_no_wrong_labels(cells: Images):
    assert decide(DropWrongLabels(margin=0), Images(cells.images, np.zeros(COUNT, dtype=int))) == []


def test_a_recipe_names_them():
    names = load_registry().names("cleaner")
    assert {"drop_suspects", "drop_wrong_labels"} <= set(names)


@pytest.mark.slow
def test_the_challenge_file(challenge_npz: Path, tmp_path: Path):
    source = Npz(file=challenge_npz).build(path=challenge_npz, input=Input(size=96), cache=tmp_path)
    junk = set(range(11_959, len(source)))
    suspicious = {one.index for one in decide(DropSuspects(), source)}
    assert len(suspicious - junk) <= 0.003 * 11_951
    wrong = {one.index for one in decide(DropWrongLabels(), source)}
    assert not wrong & junk
    assert 0 < len(wrong) <= 0.03 * 11_951
