"""Pictures in several parts of a set, and in two sets: one of them goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.api import Decision, Source
from cellcls.builtin.cleaners import DropLeaks, DropShared
from cellcls.builtin.datasets import Folder, Npz
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.thresholds import SIMILARITY
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.hashing import content_hashes


class Images(Source):
    """Images in memory, of one class."""

    def __init__(self, images: np.ndarray, parts: list[str] | None = None) -> None:
        self.images, self.labels, self.class_names = images, np.zeros(len(images), dtype=np.int64), ("cell",)
        self.parts = None if parts is None else np.array(parts)

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


CELLS = np.stack([render(number % 8, number, size=96).image for number in range(12)])


def decide(cleaner: DropLeaks | DropShared, source: Images, gone: tuple[int, ...] = ()) -> list[Decision]:
    groups = group_by_hash(content_hashes(source.read, len(source)))
    kept = np.ones(len(source), dtype=bool)
    kept[list(gone)] = False
    return cleaner.build(source=source, groups=groups, kept=kept)


def leaking() -> Images:
    """Twelve cells in train, val, test in turn, then copies: byte-equal, turned, and one within its own part."""
    images = np.concatenate([CELLS, CELLS[:2], np.rot90(CELLS[3])[None], CELLS[5:6, ::-1]])
    parts = ["train", "val", "test"] * 4 + ["test", "train", "val", "test"]
    return Images(images, parts)


@pytest.mark.parametrize(("keep", "gone"), [("test", [0, 3, 13]), ("train", [1, 12, 14])])
def test_a_picture_stays_in_one_part(keep: str, gone: list[int]):
    reasons = {one.index: one.reason for one in decide(DropLeaks(keep=keep), leaking())}
    assert sorted(reasons) == gone
    if keep == "test":
        assert reasons[0] == "in train, and byte-equal to image 12 in test"
        assert reasons[3] == "in train, and a near copy of image 14 in val"


def test_leaks_are_found_over_chains_and_byte_equal_images():
    """Crops 3 pixels apart: the first is no copy of the last."""
    wide = render(0, 0, size=120).image
    crops = [wide[12:108, x : x + 96] for x in (9, 12, 15)]
    images = Images(np.stack([*crops, crops[1]]), ["train", "train", "test", "train"])
    assert [one.index for one in decide(DropLeaks(), images)] == [1, 3]
    assert [one.index for one in decide(DropLeaks(keep="train"), images)] == [2]
    assert [one.index for one in decide(DropLeaks(), images, gone=(1,))] == [3]


def test_without_parts_nothing_leaks():
    assert decide(DropLeaks(), Images(leaking().images)) == []


def saved(folder: Path, images: np.ndarray) -> Path:
    for number, image in enumerate(images):
        path = folder / ("basophil", "platelet")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def test_what_another_set_holds_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path / "cache"))
    other = saved(tmp_path / "other", np.stack([CELLS[0], np.rot90(CELLS[1]), CELLS[2], CELLS[3]]))
    ours = Images(np.concatenate([CELLS[[4, 0, 1, 5, 0]], CELLS[2:3, :, ::-1]]))
    reasons = {one.index: one.reason for one in decide(DropShared(against=Folder(file=other)), ours)}
    assert list(reasons) == [1, 2, 4, 5]
    assert reasons[1] == reasons[4] == "byte-equal to basophil/0.png of the other set"
    assert reasons[2].startswith("a near copy of platelet/1.png of the other set, similarity ")
    assert [one.index for one in decide(DropShared(against=Folder(file=other)), ours, gone=(1, 5))] == [2, 4]


def test_images_without_names_are_named_by_their_place(tmp_path: Path):
    np.savez(tmp_path / "other.npz", images=CELLS[5:], labels=np.arange(7) % 2)
    (one,) = decide(DropShared(against=Npz(file=tmp_path / "other.npz")), Images(CELLS[:6]))
    assert (one.index, one.reason) == (5, "byte-equal to image 0 of the other set")


def test_the_default_is_the_measured_one(tmp_path: Path):
    assert DropLeaks().similarity == DropShared(against=Npz(file=tmp_path)).similarity == SIMILARITY
