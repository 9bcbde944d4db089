"""Images of a run folder and the tiles made of them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cellcls.errors import DataError
from cellcls.report.pictures import (
    Pictures,
    draw_tiles,
    label_tiles,
    overlay,
    prediction_tiles,
    read_map_pairs,
    read_pictures,
)


def test_a_heat_map_leaves_cold_spots_as_they_are():
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    heat = np.zeros((6, 6), np.float32)
    heat[2, 3] = 1
    shown = overlay(image, heat)
    changed = (shown != image).any(axis=-1)
    assert changed[2, 3]
    assert changed.sum() == 1
    assert shown[2, 3, 2] < shown[2, 3, 0]  # yellow


# --- the files --------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(1).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
CLASSES = ["a_b", "c"]


def test_pictures_are_read_as_they_were_written(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES, label=[0, 1, 1], predicted=[0, 0, 1], index=[7, 8, 9], layer="deep")
    found = read_pictures(tmp_path / "x.npz")
    assert np.array_equal(found.images, IMAGES)
    assert (len(found), found.layer, found.maps, found.probability) == (3, "deep", None, None)
    some = found.take(np.array([2, 0]))
    assert np.array_equal(some.images, IMAGES[[2, 0]])
    assert (some.label.tolist(), some.predicted.tolist(), some.maps) == ([1, 0], [1, 0], None)


def test_there_may_be_no_pictures(tmp_path: Path) -> None:
    assert read_pictures(tmp_path / "x.npz") is None
    assert read_map_pairs(tmp_path / "x.npz") is None


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"label": [0, 1, 1]}, r"`images` must be \(n, H, W, 3\) of uint8"),
        ({"images": IMAGES / 255, "label": [0, 1, 1]}, "of uint8"),
        ({"images": IMAGES[..., 0], "label": [0, 1, 1]}, "of uint8"),
        ({"images": IMAGES}, "no `label`"),
        ({"images": IMAGES, "label": [0, 1]}, r"`label` must be \(3,\), not \(2,\)"),
        ({"images": IMAGES, "label": [0, 1, 1], "maps": np.zeros((3, 2, 2))}, r"`maps` must be \(3, 4, 4\)"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(tmp_path: Path, arrays: dict, said: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=said):
        read_pictures(tmp_path / "x.npz")


def test_maps_of_two_networks_need_a_layer_each(tmp_path: Path) -> None:
    arrays = {"images": IMAGES, "label": [0, 1, 1], "predicted": np.zeros((2, 3), int), "layers": ["x", "y"]}
    np.savez(tmp_path / "x.npz", **arrays, maps=np.zeros((2, 2, 3, 4, 4), np.float32))
    assert read_map_pairs(tmp_path / "x.npz").layers == ("x", "y")
    np.savez(tmp_path / "x.npz", **arrays, maps=np.zeros((1, 2, 3, 4, 4), np.float32))
    with pytest.raises(DataError, match="`maps` must be"):
        read_map_pairs(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", images=IMAGES, label=[0, 1, 1])
    with pytest.raises(DataError, match="no `layers`"):
        read_map_pairs(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.npz: cannot be read as an npz file"):
        read_pictures(tmp_path / "x.npz")


# --- the tiles --------------------------------------------------------------------------------------------------


def test_a_tile_says_whether_the_network_was_right_and_how_sure() -> None:
    maps, sure = np.zeros((3, 4, 4), np.float32), np.array([0.9, 0.8, 0.7], np.float32)
    found = Pictures(
        images=IMAGES, label=np.array([0, 1, 5]), predicted=np.array([0, 0, 5]), probability=sure, maps=maps
    )
    right, wrong, unknown = prediction_tiles(found, CLASSES)
    assert (right.lines, right.tone) == (("✓ a b", "90.0% sure"), "good")
    assert (wrong.lines, wrong.tone) == (("✗ a b", "given: c", "80.0% sure"), "bad")
    assert unknown.lines[0] == "✓ class 5"
    assert len(right.pictures) == 2
    assert np.array_equal(right.pictures[1], IMAGES[0]), "a map without heat leaves the image as it is"


def test_a_tile_says_where_it_comes_from() -> None:
    found = Pictures(images=IMAGES, label=np.array([0, 0, 1]), copy=np.array([0, 2, 0]), epoch=np.array([0, 0, 4]))
    assert [tile.lines for tile in draw_tiles(found)] == [("original",), ("copy 2",), ("epoch 4",)]
    assert label_tiles(found, CLASSES)[2].lines == ("c", "epoch 4")
    assert label_tiles(found.take(slice(1)), CLASSES)[0].tone == ""


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(tmp_path: Path):
    archive = zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("images.npy", "w") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (300 << 20,)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(DataError, match="which images never do"):
        read_pictures(tmp_path / "x.npz")
