from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellcls.api import Decision, Input
from cellcls.builtin.cleaners import DropNearDuplicates
from cellcls.builtin.datasets import Npz
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.thresholds import SIMILARITY
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.hashing import content_hashes


class Images:
    """Images and labels in memory."""

    def __init__(self, images: np.ndarray, labels: list[int]) -> None:
        self.images, self.labels = images, np.array(labels)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Five cells, the first again turned and mirrored, the second again darker, and byte-equal copies of two."""
    cells = np.stack([render(number, number, size=96).image for number in range(5)])
    darker = (cells[1] * 0.9).astype(np.uint8)
    return np.stack([*cells, np.rot90(cells[0]), cells[0, ::-1], darker, darker, cells[2]])


def decide(images: np.ndarray, labels: list[int], **settings: object) -> tuple[Groups, list[Decision]]:
    groups = group_by_hash(content_hashes(images.__getitem__, len(images)))
    kept = np.ones(len(images), dtype=bool)
    return groups, DropNearDuplicates(**settings).build(source=Images(images, labels), groups=groups, kept=kept)


AGREEING = [0, 1, 2, 3, 4, 0, 0, 1, 1, 2]


def test_the_first_of_near_copies_stays(images: np.ndarray):
    groups, decisions = decide(images, AGREEING)
    assert sorted(decision.index for decision in decisions) == [5, 6, 7, 8]  # byte-equal 9 is not for this rule
    assert all(decision.hash == groups.hashes[decision.index] for decision in decisions)
    reasons = {decision.index: decision.reason for decision in decisions}
    assert reasons[5].startswith("a near copy of image 0, same label, similarity ")
    assert reasons[8].startswith("a near copy of image 1, same label, similarity ")
    assert decide(images, AGREEING, agreeing="keep_all")[1] == []


@pytest.mark.parametrize("agreeing", ["keep_first", "keep_all"])
@pytest.mark.parametrize("changed", [1, 7, 8])
def test_near_copies_with_several_labels_go_as_a_whole(images: np.ndarray, changed: int, agreeing: str):
    labels = [3 if index == changed else label for index, label in enumerate(AGREEING)]
    _, decisions = decide(images, labels, agreeing=agreeing)
    gone = {decision.index: decision.reason for decision in decisions}
    assert {1, 7, 8} <= set(gone)
    assert gone[1] == "one of 3 near copies that carry 2 different labels"
    assert set(gone) - {1, 7, 8} == (set() if agreeing == "keep_all" else {5, 6})


def test_a_chain_whose_labels_differ_goes_as_a_whole():
    """Three crops 3 pixels apart: the first is no copy of the last, but both are of the one between."""
    wide = render(0, 0, size=120).image
    crops = np.stack([wide[12:108, x : x + 96] for x in (9, 12, 15)])
    _, decisions = decide(crops, [0, 0, 1])
    assert [decision.index for decision in decisions] == [0, 1, 2]
    assert {decision.reason for decision in decisions} == {"one of 3 near copies that carry 2 different labels"}
    assert [decision.index for decision in decide(crops, [0, 0, 0])[1]] == [1]  # what stays is no copy of what stays


def test_what_is_gone_is_not_named_again(images: np.ndarray):
    groups = group_by_hash(content_hashes(images.__getitem__, len(images)))
    kept = np.arange(len(images)) != 5
    decisions = DropNearDuplicates().build(source=Images(images, AGREEING), groups=groups, kept=kept)
    assert sorted(decision.index for decision in decisions) == [6, 7, 8]


def test_a_stricter_similarity_finds_fewer(images: np.ndarray):
    assert len(decide(images, AGREEING, similarity=1.0)[1]) < 4
    with pytest.raises(ValueError, match="`similarity`"):
        DropNearDuplicates(similarity=0.3)


def test_the_default_is_the_measured_one():
    assert DropNearDuplicates().similarity == SIMILARITY


def test_the_challenge_file(challenge_npz: Path, tmp_path: Path):
    """Two pairs of real cells are one cell each, cut out of its smear twice; somebody looked at them."""
    source = Npz(file=challenge_npz).build(path=challenge_npz, input=Input(size=96), cache=tmp_path)
    groups = group_by_hash(content_hashes(source.read, len(source)))
    decisions = DropNearDuplicates().build(source=source, groups=groups, kept=np.ones(len(source), dtype=bool))
    assert [decision.index for decision in decisions] == [1790, 5245]
    assert "near copy of image 1267" in decisions[0].reason
    assert "near copy of image 4064" in decisions[1].reason
