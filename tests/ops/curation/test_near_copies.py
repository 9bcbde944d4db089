"""Near copies among rendered cells: found in every disguise, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cellcls.ops.curation import neighbours
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.near_copies import NearPairs, find_copies_across, find_near_copies
from cellcls.ops.curation.perceptual import fingerprints, oriented
from cellcls.ops.curation.thresholds import SIMILARITY
from cellcls.ops.rendering.cells import render


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    return np.stack([render(number % 8, number, size=96).image for number in range(160)])


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def shifted(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((3, 3), (3, 3), (0, 0)), mode="reflect")[:96, 6:]


def cropped(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).crop((2, 3, 93, 94)).resize((96, 96), Image.Resampling.BILINEAR))


def lighter(image: np.ndarray) -> np.ndarray:
    return np.clip(image * 1.1, 0, 255).astype(np.uint8)


DISGUISES = {
    "turned": np.rot90,
    "mirrored": np.fliplr,
    "both": lambda image: np.rot90(np.fliplr(image)),
    "jpeg": jpeg,
    "lighter": lighter,
    "darker": lambda image: (image * 0.9).astype(np.uint8),
    "shifted": shifted,
    "cropped": cropped,
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_copy_is_found_in_disguise_and_nothing_else(cells: np.ndarray, name: str):
    copies = np.stack([DISGUISES[name](cell) for cell in cells[:40]])
    pairs = find_near_copies(fingerprints(np.concatenate([cells, copies])))
    found = set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    planted = {(number, len(cells) + number) for number in range(40)}
    assert len(found & planted) >= 38
    assert len(found - planted) <= 1
    assert pairs.similarity.min() >= SIMILARITY
    assert pairs.similarity.max() <= 1


def test_cells_alone_are_no_copies_of_each_other(cells: np.ndarray):
    assert len(find_near_copies(fingerprints(cells))) == 0


def test_many_images_go_through_cells_and_give_the_same(cells: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    copies = np.stack([np.rot90(cell) for cell in cells[:40]])
    prints = fingerprints(np.concatenate([cells, copies]))
    everything = find_near_copies(prints)
    monkeypatch.setattr(neighbours, "_ALL_PAIRS", 10)
    monkeypatch.setattr(neighbours, "_CELL", 20)
    assert len(find_near_copies(prints)) == len(everything) == 40


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (7, 5), (513, 2)])
def test_any_size_has_a_fingerprint(shape: tuple[int, int]):
    prints = fingerprints(np.full((2, *shape, 3), 77, dtype=np.uint8))
    assert np.isfinite(prints.descriptors).all()
    assert len(find_near_copies(prints)) == 0  # flat pictures have nothing that could be alike


@pytest.mark.parametrize("count", [0, 1])
def test_a_set_without_pairs_has_none(cells: np.ndarray, count: int):
    assert len(find_near_copies(fingerprints(cells[:count]))) == 0


def test_a_chain_of_pairs_is_no_single_group():
    first, second = np.array([0, 1, 2, 5]), np.array([1, 2, 3, 6])
    pairs = NearPairs(first, second, np.ones(4, np.float32), np.zeros(4, np.int8))
    assert [group.tolist() for group in pairs.groups(8)] == [[0, 1], [2, 3], [5, 6]]


def test_what_no_group_holds_are_links():
    first, second = np.array([0, 1, 2, 5]), np.array([1, 2, 3, 6])
    links = NearPairs(first, second, np.ones(4, np.float32), np.zeros(4, np.int8)).links(8)
    assert (links.first.tolist(), links.second.tolist()) == ([1], [2])


@pytest.mark.parametrize("seed", range(4))
def test_every_pair_of_a_chain_is_found(seed: int):
    """Crops 3 pixels apart: each is a copy of the next, and not of the one after that."""
    wide = render(seed, seed, size=120).image
    pairs = find_near_copies(fingerprints(np.stack([wide[12:108, 3 * x : 3 * x + 96] for x in range(2, 8)])))
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [(x, x + 1) for x in range(5)]
    assert pairs.components(6).tolist() == [0] * 6


def noisy(cell: np.ndarray, count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-6, 7, (count, *cell.shape))
    return np.clip(np.stack([np.rot90(cell, turn % 4) for turn in range(count)]) + noise, 0, 255).astype(np.uint8)


def test_each_of_many_copies_finds_one_across(cells: np.ndarray):
    ours = np.concatenate([cells[:100], noisy(cells[0], 40, 0), noisy(cells[1], 6, 1)])
    theirs = np.concatenate([cells[100:], cells[:1], noisy(cells[1], 30, 2)])
    pairs = find_copies_across(fingerprints(ours), fingerprints(theirs))
    assert pairs.first.tolist() == [0, 1, *range(100, 146)]
    assert set(pairs.second[pairs.first < 140].tolist()[2:]) == {60}
    assert pairs.second[0] == 60
    assert (pairs.second[-6:] > 60).all()
    assert pairs.similarity.min() >= SIMILARITY


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (0, 3), (3, 0)])
def test_an_empty_set_shares_nothing(cells: np.ndarray, ours: int, theirs: int):
    assert len(find_copies_across(fingerprints(cells[:ours]), fingerprints(cells[:theirs]))) == 0


def test_all_copies_of_one_picture_are_paired_with_the_first(cells: np.ndarray):
    noise = np.random.default_rng(0).integers(-3, 4, (300, 96, 96, 3))
    noisy = np.clip(cells[:10][np.arange(300) % 10] + noise, 0, 255).astype(np.uint8)
    pairs = find_near_copies(fingerprints(np.concatenate([cells, noisy])))
    assert [len(group) for group in pairs.groups(len(cells) + 300)] == [31] * 10
    assert len(pairs) < 3 * 300  # not the 4,650 there are
    assert len(np.unique(np.stack([pairs.first, pairs.second]), axis=1).T) == len(pairs)
    assert (pairs.first < pairs.second).all()


def test_of_exact_copies_the_first_is_looked_at(cells: np.ndarray):
    images = np.stack([cells[0], cells[1], cells[1], cells[2], np.rot90(cells[1]), cells[1]])
    pairs = find_near_copies(fingerprints(images), groups=group_by_hash("abbcdb"))
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([1], [4])


@pytest.mark.parametrize("symmetry", range(8))
def test_the_symmetry_maps_the_second_onto_the_first(cells: np.ndarray, symmetry: int):
    first = np.stack([oriented(cells[3, :, :, channel][None], symmetry)[0] for channel in range(3)], axis=-1)
    pairs = find_near_copies(fingerprints(np.stack([first, cells[3]])))
    assert pairs.symmetry.tolist() == [symmetry]
    assert pairs.similarity[0] > 0.99


def test_pictures_without_content_are_no_copies_however_many():
    noise = np.random.default_rng(0).integers(0, 2, (400, 32, 32, 3), dtype=np.uint8)
    assert len(find_near_copies(fingerprints(120 + noise))) == 0


def test_an_image_belongs_to_one_group():
    pairs = NearPairs(np.array([0, 1, 1]), np.array([2, 2, 3]), np.ones(3, np.float32), np.zeros(3, np.int8))
    assert [group.tolist() for group in pairs.groups(4)] == [[0, 2], [1, 3]]
