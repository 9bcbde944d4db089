from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.image_statistics import statistics
from cellcls.ops.curation.suspects import RULES, Suspect, suspects
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.hashing import content_hash


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    return np.stack([render(number % 8, number, size=96).image for number in range(200)])


def found(images: np.ndarray, sizes: np.ndarray | None = None) -> list[Suspect]:
    groups = group_by_hash(tuple(map(content_hash, images)))
    return suspects(statistics(images), groups, sizes=sizes)


def grey(image: np.ndarray) -> np.ndarray:
    return np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)


def blurred(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(6)))


def noise(image: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)


FAULTS = {
    "dark": lambda image: (image * 0.3).astype(np.uint8),
    "bright": lambda image: (255 - (255 - image) * 0.1).astype(np.uint8),
    "blank": lambda image: np.full_like(image, 120),
    "blurred": blurred,
    "harsh": noise,
    "grey": grey,
    "far_away": noise,
}


def test_every_rule_is_tried():
    assert {*FAULTS, "odd_size"} == set(RULES)


@pytest.mark.parametrize("rule", FAULTS)
def test_a_planted_fault_is_found_by_its_rule(cells: np.ndarray, rule: str):
    images = np.concatenate([cells, FAULTS[rule](cells[0])[None]])
    rules = {one.rule for one in found(images) if one.index == len(cells)}
    assert rule in rules


def test_few_cells_are_suspicious_and_scores_fall(cells: np.ndarray):
    flagged = found(cells)
    assert len({one.index for one in flagged}) <= 4
    for rule in RULES:
        scores = [one.score for one in found(np.concatenate([cells, noise(cells[:3])])) if one.rule == rule]
        assert scores == sorted(scores, reverse=True)
        assert all(score >= 1 for score in scores)


def test_odd_sizes_are_those_before_resizing(cells: np.ndarray):
    sizes = np.full((len(cells), 2), 360)
    sizes[7] = (360, 90)
    sizes[9] = (40, 40)
    assert {one.index for one in found(cells, sizes) if one.rule == "odd_size"} == {7, 9}


def test_copies_of_a_picture_do_not_make_it_usual(cells: np.ndarray):
    planted = np.repeat(noise(cells[:1]), 150, axis=0)
    flagged = {one.index for one in found(np.concatenate([cells, planted])) if one.rule == "far_away"}
    assert flagged >= set(range(len(cells), len(cells) + 150))


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_handful_says_nothing_of_what_is_usual(cells: np.ndarray, count: int):
    assert found(cells[:count]) == []
