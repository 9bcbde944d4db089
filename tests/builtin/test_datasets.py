from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.api import Dataset, Input, Source
from cellcls.builtin.datasets import Folder, MedMNIST, Npz
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.classes import CLASSES

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (16, 6, 6, 3), dtype=np.uint8)
LABELS = np.arange(16) % 8


def build(dataset: Dataset, path: Path, *, size: int = 8, interpolation: str = "bilinear") -> Source:
    return dataset.build(path=path, input=Input(size=size, interpolation=interpolation), cache=path.parent / "cache")


def saved(path: Path, *, compressed: bool = False, **arrays: object) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)  # type: ignore[arg-type]
    return path


def open_npz(tmp_path: Path, dataset: Npz | None = None, **arrays: object) -> Source:
    path = saved(tmp_path / "set.npz", **arrays)
    return build(dataset or Npz(file=path), path)


# --- npz ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("shape", [(16,), (16, 1)])
def test_npz_gives_images_by_batch(tmp_path: Path, compressed: bool, shape: tuple[int, ...]) -> None:
    path = saved(tmp_path / "set.npz", compressed=compressed, images=IMAGES, labels=LABELS.reshape(shape).astype("u1"))
    source = build(Npz(file=path), path)
    assert len(source) == 16
    assert source.class_names == CLASSES
    assert source.parts is None
    assert source.labels.dtype == np.int64
    np.testing.assert_array_equal(source.labels, LABELS)
    order = np.array([5, 0, 15, 5])
    np.testing.assert_array_equal(source.read(order), IMAGES[order])


@pytest.mark.parametrize("gray", [IMAGES[..., 0], IMAGES[..., :1]])
def test_gray_is_repeated(tmp_path: Path, gray: np.ndarray) -> None:
    source = open_npz(tmp_path, images=gray, labels=LABELS)
    np.testing.assert_array_equal(source.read(np.arange(16)), np.repeat(IMAGES[..., :1], 3, axis=-1))


def test_npz_takes_other_names_of_its_arrays(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", x=IMAGES, y=LABELS)
    assert len(build(Npz(file=path, images="x", labels="y"), path)) == 16


def test_class_names_come_from_the_recipe_the_file_or_the_labels(tmp_path: Path) -> None:
    assert open_npz(tmp_path, images=IMAGES, labels=LABELS % 3).class_names == CLASSES
    ten = np.arange(16) % 10
    assert open_npz(tmp_path, images=IMAGES, labels=ten).class_names == tuple(f"class_{n}" for n in range(10))
    named = {"images": IMAGES, "labels": LABELS % 2, "class_names": np.array(["IG", "Smudge cell"])}
    assert open_npz(tmp_path, **named).class_names == ("immature_granulocyte", "smudge cell")
    recipe = Npz(file=Path("set.npz"), classes=("Platelets", "other"))
    assert open_npz(tmp_path, recipe, **named).class_names == ("platelet", "other")
    encoded = named | {"class_names": np.array(["Blässe".encode(), b"b"])}
    assert open_npz(tmp_path, **encoded).class_names == ("blässe", "b")
    objects = named | {"class_names": np.array(["a", "b"], dtype=object)}
    assert open_npz(tmp_path, **objects).class_names == CLASSES


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": LABELS}, "no array `images`; it contains `labels`"),
        ({"images": IMAGES}, "no array `labels`; it contains `images`"),
        ({"images": IMAGES, "labels": LABELS[:9]}, r"`labels` is int64 \(9,\); 16 images need labels"),
        ({"images": IMAGES, "labels": np.eye(16)}, "16 images need labels"),
        ({"images": IMAGES / 255, "labels": LABELS}, "`images` is float64 .* must be uint8"),
        ({"images": IMAGES.astype(int), "labels": LABELS}, "must be uint8"),
        ({"images": IMAGES.astype(object), "labels": LABELS}, "Python objects"),
        ({"images": IMAGES, "labels": LABELS.astype(object)}, "Python objects"),
        ({"images": IMAGES.transpose(0, 3, 1, 2).copy(), "labels": LABELS}, r"must be \(N, H, W, 3\)"),
        ({"images": IMAGES[0, 0], "labels": LABELS}, r"must be \(N, H, W, 3\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "N > 0"),
        ({"images": IMAGES, "labels": LABELS.astype(float)}, "must be integers"),
        ({"images": IMAGES, "labels": LABELS - 2}, "image 0 has label -2"),
        ({"images": IMAGES, "labels": LABELS.astype("u8") + 2**63}, "image 0 has label 9223372036854775808"),
        ({"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])}, "labels go up to 7, .* named a, b"),
        (
            {"images": IMAGES, "labels": LABELS % 2, "class_names": np.array(["IG", "ig"])},
            "'IG' and 'ig' mean",
        ),
        ({"images": IMAGES, "labels": LABELS % 2, "class_names": np.array([b"\xff", b"b"])}, "is not UTF-8"),
        ({"images": IMAGES, "labels": LABELS % 2, "class_names": np.array(["\ud800", "b"])}, "is not UTF-8"),
    ],
)
def test_a_bad_npz_is_told_by_name(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        open_npz(tmp_path, **arrays)
    assert caught.value.message.startswith(str(tmp_path / "set.npz"))
    assert caught.value.hints
    assert not (tmp_path / "cache").exists()


RGBA = np.concatenate([IMAGES, IMAGES[..., :1]], axis=3)


@pytest.mark.parametrize(
    ("arrays", "key", "advice"),
    [
        ({"images": RGBA}, "images", "images[..., :3]"),
        ({"images": IMAGES[..., :2]}, "images", "images[..., 0]"),
        ({"images": IMAGES.transpose(0, 3, 1, 2).copy()}, "images", "images.transpose(0, 2, 3, 1)"),
        ({"images": RGBA.transpose(0, 3, 1, 2).copy()}, "images", "images[:, :3].transpose(0, 2, 3, 1)"),
        ({"images": np.zeros((16, 9, 9, 9), np.uint8)}, "images", "images[:, 4]"),
        ({"images": IMAGES[0], "labels": LABELS[:1]}, "images", "images[None]"),
        ({"images": IMAGES[0, ..., 0], "labels": LABELS[:1]}, "images", "images[None]"),
        ({"images": RGBA[0], "labels": LABELS[:1]}, "images", "images[None, ..., :3]"),
        ({"labels": np.eye(8, dtype=np.int64)[LABELS]}, "labels", "labels.argmax(1)"),
        ({"labels": np.eye(8)[LABELS]}, "labels", "labels.argmax(1)"),
        ({"labels": LABELS.astype(float)}, "labels", "labels.astype(numpy.int64)"),
        ({"labels": LABELS - 2}, "labels", "labels + 2"),
        ({"labels": LABELS + 1}, "labels", "labels - 1"),
        ({"labels": np.where(LABELS % 2, 255, 0)}, "labels", "numpy.unique(labels, return_inverse=True)[1]"),
        ({"labels": np.where(LABELS % 2, 9999, 0)}, "labels", "numpy.unique(labels, return_inverse=True)[1]"),
        ({"labels": np.where(LABELS % 2, 70000, -3)}, "labels", "numpy.unique(labels, return_inverse=True)[1]"),
        (
            {"labels": np.array(["basophil", "monocyte"])[LABELS % 2]},
            "labels",
            "numpy.unique(labels, return_inverse=True)",
        ),
    ],
)
def test_advice_on_a_bad_npz_is_short_and_works(tmp_path: Path, arrays: dict, key: str, advice: str) -> None:
    arrays = {"images": IMAGES, "labels": LABELS, **arrays}
    with pytest.raises(DataError) as caught:
        open_npz(tmp_path, **arrays)
    assert len(str(caught.value)) < 2000
    assert any(advice in hint for hint in caught.value.hints)
    mended = eval(advice, {"numpy": np, **arrays})
    named = {"class_names": mended[0], key: mended[1]} if isinstance(mended, tuple) else {key: mended}
    assert len(open_npz(tmp_path, **(arrays | named))) == len(arrays["labels"])


def test_several_labels_an_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_npz(tmp_path, images=IMAGES, labels=np.ones((16, 3), np.int64))
    assert "multi-label" in caught.value.hints[0]


def test_named_classes_may_have_no_image(tmp_path: Path) -> None:
    labels = np.where(LABELS % 2, 9, 0)
    names = np.array([f"class {number}" for number in range(10)])
    assert open_npz(tmp_path, images=IMAGES, labels=labels, class_names=names).class_names == tuple(names)


def test_an_unreadable_npz(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    path.write_bytes(b"PK\x03\x04 no zip at all")
    with pytest.raises(DataError, match="cannot be read as an npz file"):
        build(Npz(file=path), path)


@pytest.mark.parametrize("cls", [Npz, Folder, MedMNIST])
def test_what_is_not_there_is_told_with_the_ways_to_get_it(tmp_path: Path, cls: type[Npz]) -> None:
    with pytest.raises(MissingInputError, match="no such file") as caught:
        build(cls(file=Path("set")), tmp_path / "set")
    assert caught.value.hints == cls.how_to_get


# --- MedMNIST ----------------------------------------------------------------------------------------------------


def medmnist(path: Path, images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, **other: object) -> Path:
    cuts = {"train": slice(0, 9), "val": slice(9, 12), "test": slice(12, 16)}
    arrays = {f"{part}_images": images[cut] for part, cut in cuts.items()}
    arrays |= {f"{part}_labels": labels[cut, None].astype("u1") for part, cut in cuts.items()}
    return saved(path, compressed=True, **(arrays | other))


def test_medmnist_keeps_its_parts(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "bloodmnist.npz")
    source = build(MedMNIST(), path)
    assert source.class_names == CLASSES
    assert source.parts is not None
    assert source.parts.tolist() == ["train"] * 9 + ["val"] * 3 + ["test"] * 4
    np.testing.assert_array_equal(source.labels, LABELS)
    order = np.array([15, 0, 9, 8, 11, 12, 0])
    np.testing.assert_array_equal(source.read(order), IMAGES[order])


def test_other_medmnist_sets_have_names_of_their_own(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "tissuemnist.npz", images=IMAGES[..., 0])
    assert build(MedMNIST(), path).class_names == tuple(f"class_{number}" for number in range(8))
    assert build(MedMNIST(), path).read(np.array([3])).shape == (1, 6, 6, 3)
    path = medmnist(tmp_path / "dermamnist.npz", labels=LABELS % 3)
    assert build(MedMNIST(), path).class_names == ("class_0", "class_1", "class_2")
    assert build(MedMNIST(classes=("a", "b", "c")), path).class_names == ("a", "b", "c")


def test_bad_medmnist_files(tmp_path: Path) -> None:
    path = medmnist(tmp_path / "a.npz", val_images=IMAGES[:3, :5])
    with pytest.raises(DataError, match="differ in image shape"):
        build(MedMNIST(), path)
    path = medmnist(tmp_path / "b.npz", test_labels=np.zeros((4, 14), dtype="u1"))
    with pytest.raises(DataError, match="`test_labels` is uint8"):
        build(MedMNIST(), path)
    path = saved(tmp_path / "c.npz", images=IMAGES, labels=LABELS)
    with pytest.raises(DataError, match="no array `train_images`"):
        build(MedMNIST(), path)


# --- folder ------------------------------------------------------------------------------------------------------


def picture(path: Path, colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, lossless=True)  # WebP asks for it
    return path


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    root = tmp_path / "cells"
    picture(root / "Platelets" / "b.PNG", (1, 0, 0), (30, 5))
    picture(root / "Platelets" / "a.webp", (2, 0, 0))
    picture(root / "IG" / "x.jpg", (200, 0, 0))
    picture(root / "IG" / "y.tif", (3, 0, 0))
    picture(root / "basophil" / "z.bmp", (4, 0, 0))
    (root / "basophil" / "notes.txt").write_text("not a picture")
    (root / "basophil" / ".hidden.png").write_text("not one either")
    (root / ".git").mkdir()
    return root


def test_folder_reads_all_formats_and_sizes_under_canonical_names(cells: Path) -> None:
    source = build(Folder(file=cells), cells)
    assert source.class_names == ("basophil", "immature_granulocyte", "platelet")
    assert source.names == ["IG/x.jpg", "IG/y.tif", "Platelets/a.webp", "Platelets/b.PNG", "basophil/z.bmp"]
    assert source.labels.tolist() == [1, 1, 2, 2, 0]
    assert source.parts is None
    assert source.bad_images == ()
    images = source.read(np.array([4, 3, 1]))
    assert images.shape == (3, 8, 8, 3)
    assert images[:, 3, 3, 0].tolist() == [4, 1, 3]


def test_other_classes_are_sorted(tmp_path: Path) -> None:
    for number, place in enumerate(["wbc", "IG", "artefact"]):
        picture(tmp_path / "set" / place / "1.png", (number, 0, 0))
    source = build(Folder(file=tmp_path), tmp_path / "set")
    assert source.class_names == ("artefact", "immature_granulocyte", "wbc")
    assert source.labels.tolist() == [1, 0, 2]


def test_folder_parts(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        for name in ("basophil", "platelet"):
            picture(tmp_path / "set" / part / name / "1.png", (0, 0, 0))
    source = build(Folder(file=tmp_path), tmp_path / "set")
    assert source.class_names == ("basophil", "platelet")
    assert source.parts is not None
    assert source.parts.tolist() == ["test"] * 2 + ["train"] * 2 + ["val"] * 2


def test_folder_decodes_once_until_a_file_or_setting_changes(cells: Path) -> None:
    def copies() -> int:
        return len(list((cells.parent / "cache").glob("*.npy")))

    build(Folder(file=cells), cells)
    (copy,) = (cells.parent / "cache").glob("*.npy")
    written = copy.stat().st_mtime_ns
    build(Folder(file=cells), cells)
    assert copies() == 1
    assert copy.stat().st_mtime_ns == written
    Folder(file=cells).build(path=cells, input=Input(size=8, fit="pad"), cache=cells.parent / "cache")
    build(Folder(file=cells), cells, size=9)
    build(Folder(file=cells), cells, interpolation="nearest")
    assert copies() == 4
    picture(cells / "basophil" / "z.bmp", (99, 0, 0), (13, 13))
    assert build(Folder(file=cells), cells).read(np.array([4]))[0, 0, 0, 0] == 99
    assert copies() == 5


def test_a_damaged_copy_is_decoded_anew(cells: Path) -> None:
    before = build(Folder(file=cells), cells)
    (copy,) = (cells.parent / "cache").glob("*.npy")
    whole = copy.read_bytes()
    for damaged in (whole[:-50], whole[:200] + bytes(100) + whole[300:]):
        copy.write_bytes(damaged)
        after = build(Folder(file=cells), cells)
        assert np.array_equal(after.read(np.arange(4)), before.read(np.arange(4)))
        assert after.hashes == before.hashes
        assert copy.read_bytes() == whole


def test_a_bad_picture_stops_or_is_listed(cells: Path) -> None:
    content = (cells / "IG" / "x.jpg").read_bytes()
    (cells / "IG" / "x.jpg").write_bytes(content[: len(content) // 2])
    for _ in range(2):
        with pytest.raises(DataError, match=r"x\.jpg: cannot be read") as caught:
            build(Folder(file=cells), cells)
        assert any("on_bad_image" in hint for hint in caught.value.hints)
        source = build(Folder(file=cells, on_bad_image="skip"), cells)
        assert [bad.name for bad in source.bad_images] == ["IG/x.jpg"]
        assert "cannot be read" in source.bad_images[0].reason
        assert source.names == ["IG/y.tif", "Platelets/a.webp", "Platelets/b.PNG", "basophil/z.bmp"]
        assert source.labels.tolist() == [1, 2, 2, 0]
        assert source.read(np.arange(4))[:, 3, 3, 0].tolist() == [3, 2, 1, 4]


def test_bad_pictures_may_leave_too_little(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "basophil" / "1.png", (0, 0, 0))
    picture(tmp_path / "set" / "platelet" / "1.png", (0, 0, 0)).write_bytes(b"")
    source = build(Folder(file=tmp_path, on_bad_image="skip"), tmp_path / "set")
    assert (source.class_names, source.labels.tolist()) == (("basophil", "platelet"), [0])
    (tmp_path / "set" / "basophil" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of its images can be read"):
        build(Folder(file=tmp_path, on_bad_image="skip"), tmp_path / "set")


def test_folders_that_are_no_set(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="no class folders"):
        build(Folder(file=tmp_path), tmp_path / "set")


def test_pictures_without_class_folders_are_of_one_class(tmp_path: Path) -> None:
    """Nothing to train on, but an audit can look at them."""
    picture(tmp_path / "smears" / "1.png", (0, 0, 0))
    source = build(Folder(file=tmp_path), tmp_path / "smears")
    assert (source.class_names, source.names) == (("smears",), ["1.png"])
    assert not Folder.recognises(tmp_path / "smears")


def test_sizes_are_those_of_the_files(cells: Path) -> None:
    for _ in range(2):  # decoded, then from the cache
        source = build(Folder(file=cells), cells)
        with Image.open(cells / source.names[0]) as image:
            assert source.sizes[0].tolist() == [image.height, image.width]
        assert source.sizes.shape == (len(source), 2)


def test_what_is_skipped_is_listed_with_its_reason(cells: Path) -> None:
    picture(cells / "basophil" / "anim.gif", (0, 0, 0))
    (cells / "basophil" / "LICENSE").write_text("no suffix")
    (cells / "basophil" / "empty.txt").write_text("")
    picture(cells / "basophil" / "tiles.png" / "deep.png", (0, 0, 0))
    picture(cells / "stray.png", (0, 0, 0))
    (cells / "table.csv").write_text("a,b")
    (cells / "none").mkdir()
    for _ in range(2):
        source = build(Folder(file=cells), cells)
        assert len(source) == 5
        assert {skipped.name: skipped.reason for skipped in source.skipped_files} == {
            "basophil/LICENSE": "without a suffix",
            "basophil/anim.gif": "of another type, .gif",
            "basophil/notes.txt": "of another type, .txt",
            "basophil/tiles.png": "a folder named like an image",
            "none": "a class folder without images",
            "stray.png": "beside the class folders",
            "table.csv": "beside the class folders",
        }
    assert build(Folder(file=cells), cells / "IG").skipped_files == ()


def test_images_in_deeper_folders_belong_to_the_class(cells: Path) -> None:
    picture(cells / "IG" / "patient 2" / "slide" / "x.jfif.JPG", (5, 0, 0))
    picture(cells / "IG" / "patient 1" / "x.png", (6, 0, 0))
    source = build(Folder(file=cells), cells)
    assert source.names == [
        "IG/patient 1/x.png",
        "IG/patient 2/slide/x.jfif.JPG",
        "IG/x.jpg",
        "IG/y.tif",
        "Platelets/a.webp",
        "Platelets/b.PNG",
        "basophil/z.bmp",
    ]
    assert source.labels.tolist() == [1, 1, 1, 1, 2, 2, 0]
    assert Folder.recognises(cells)


def test_class_folders_with_patient_folders_only_are_recognised(tmp_path: Path) -> None:
    for name in ("basophil", "monocyte"):
        picture(tmp_path / "set" / name / "patient 1" / "1.png", (len(name), 0, 0))
    assert Folder.recognises(tmp_path / "set")
    assert build(Folder(file=tmp_path), tmp_path / "set").class_names == ("basophil", "monocyte")


@pytest.mark.parametrize("suffix", [".JFIF", ".jpe", ".JPG", ".apng", ".TIF"])
def test_other_suffixes_of_the_formats(tmp_path: Path, suffix: str) -> None:
    for number, name in enumerate(("basophil", "monocyte")):
        whole = picture(tmp_path / f"{number}{'.jpg' if suffix.lower().startswith('.j') else '.png'}", (90, 0, 0))
        (tmp_path / "set" / name).mkdir(parents=True)
        whole.rename(tmp_path / "set" / name / f"1{suffix}")
    source = build(Folder(file=tmp_path), tmp_path / "set")
    assert source.names == [f"basophil/1{suffix}", f"monocyte/1{suffix}"]
    assert source.read(np.arange(2))[:, 3, 3, 0] == pytest.approx(90, abs=3)


def test_what_computers_leave_beside_images_is_ignored(cells: Path) -> None:
    left = [
        "._x.png",
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        "__MACOSX/IG/._x.jpg",
        "@eaDir/x.jpg/SYNOFILE_THUMB_M.png",
        "#recycle/old.png",
        "lost+found/old.png",
        ".Trash-1000/files/old.png",
        "$RECYCLE.BIN/old.png",
        "System Volume Information/old.png",
    ]
    (cells / "basophil" / "notes.txt").unlink()
    for place in (cells, cells / "IG", cells / "IG" / "patient"):
        for name in left:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(b"\0\5\26\7")
        (place / "@tmp").mkdir()
        (place / "empty.png").mkdir()
    source = build(Folder(file=cells), cells)
    assert source.names == ["IG/x.jpg", "IG/y.tif", "Platelets/a.webp", "Platelets/b.PNG", "basophil/z.bmp"]
    assert (source.bad_images, source.skipped_files) == ((), ())


def test_a_folder_beside_the_parts_is_skipped(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for part in ("Train", "test"):
        for name in ("basophil", "platelet"):
            picture(root / part / name / "1.png", (len(part), 0, 0))
    picture(root / "unlabelled" / "day 1" / "1.png", (0, 0, 0))
    (root / "scripts").mkdir()
    (root / "scripts" / "sort.py").write_text("import os")
    source = build(Folder(file=tmp_path), root)
    assert source.class_names == ("basophil", "platelet")
    assert source.parts is not None
    assert source.parts.tolist() == ["train"] * 2 + ["test"] * 2
    assert [(skipped.name, skipped.reason) for skipped in source.skipped_files] == [
        ("unlabelled/day 1/1.png", "in a folder beside train, val and test")
    ]
    assert Folder.recognises(root)


def test_classes_may_be_named_like_a_part(tmp_path: Path) -> None:
    for name in ("train", "bus"):
        picture(tmp_path / "set" / name / "1.png", (len(name), 0, 0))
    source = build(Folder(file=tmp_path), tmp_path / "set")
    assert (source.class_names, source.parts) == (("bus", "train"), None)


def test_linked_folders_are_read_once_and_loops_end(cells: Path) -> None:
    picture(cells.parent / "day 2" / "1.png", (7, 0, 0))
    picture(cells.parent / "day 3" / "1.png", (8, 0, 0))
    (cells / "IG" / "a link").symlink_to("../../day 2")
    (cells / "IG" / "b link").symlink_to("../../day 2")
    (cells.parent / "day 2" / "back").symlink_to(cells.parent)
    (cells / "IG" / "loop").symlink_to(".")
    (cells / "basophil" / "all").symlink_to("..")
    (cells / "basophil" / "other").symlink_to("../IG")
    (cells / "IG" / "monocytes").symlink_to("../../day 3")
    (cells / "monocyte").symlink_to("../day 3")
    source = build(Folder(file=cells), cells)
    assert source.names == [
        "IG/a link/1.png",
        "IG/x.jpg",
        "IG/y.tif",
        "Platelets/a.webp",
        "Platelets/b.PNG",
        "basophil/z.bmp",
        "monocyte/1.png",
    ]


def test_a_folder_that_cannot_be_listed(cells: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cells / "IG" / "patient").mkdir()
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "patient":
            raise PermissionError(13, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(DataError, match="patient: cannot be read: Permission denied"):
        build(Folder(file=cells), cells)
    source = build(Folder(file=cells, on_bad_image="skip"), cells)
    assert [bad.name for bad in source.bad_images] == ["IG/patient"]
    assert len(source) == 5


def test_a_folder_with_images_of_other_types_only_says_so(tmp_path: Path) -> None:
    for name in ("basophil", "monocyte"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "1.heic").write_text("a phone's")
    with pytest.raises(DataError, match="contains no images") as caught:
        build(Folder(file=tmp_path), tmp_path / "set")
    assert "of another type, .heic (2)" in str(caught.value)


def test_pictures_beside_the_class_folders_of_a_part_are_left_aside(tmp_path: Path) -> None:
    for part in ("train", "test"):
        picture(tmp_path / "set" / part / "basophil" / "1.png", (0, 0, 0))
        picture(tmp_path / "set" / part / "stray.png", (0, 0, 0))
    source = build(Folder(file=tmp_path), tmp_path / "set")
    assert [one.name for one in source.skipped_files] == ["test/stray.png", "train/stray.png"]


@pytest.mark.parametrize("to", ["gone.png", "link.png"])
def test_a_broken_link_is_a_picture_that_cannot_be_read(cells: Path, to: str) -> None:
    (cells / "IG" / "link.png").symlink_to(to)
    with pytest.raises(DataError, match=r"link\.png: cannot be read"):
        build(Folder(file=cells), cells)
    source = build(Folder(file=cells, on_bad_image="skip"), cells)
    assert [bad.name for bad in source.bad_images] == ["IG/link.png"]
    assert len(source) == 5


def test_names_that_are_no_text_have_a_printable_form(tmp_path: Path) -> None:
    root = tmp_path / "set"
    whole = picture(root / "platelet" / "1.png", (0, 0, 0))
    odd = [Path(os.fsdecode(name)) for name in (b"cells \xff/x\xff\xfe.png", b"cells \xff/notes\xfe.txt")]
    try:
        (root / odd[0]).parent.mkdir()
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    for name in odd:
        shutil.copy(whole, root / name)
    (root / "platelet" / os.fsdecode(b"bad\xfd.png")).write_text("no picture")
    source = build(Folder(file=tmp_path, on_bad_image="skip"), tmp_path / "set")
    assert source.class_names == ("cells \\xff", "platelet")
    assert source.names == ["cells \\xff/x\\xff\\xfe.png", "platelet/1.png"]
    assert [one.name for one in (*source.bad_images, *source.skipped_files)] == [
        "platelet/bad\\xfd.png",
        "cells \\xff/notes\\xfe.txt",
    ]
    with pytest.raises(DataError) as caught:
        build(Folder(file=tmp_path), tmp_path / "set")
    assert "bad\\xfd.png" in caught.value.message


# --- all of them -------------------------------------------------------------------------------------------------


def test_each_recognises_its_own(tmp_path: Path, cells: Path) -> None:
    other = tmp_path / "other.zip"
    shutil.make_archive(str(other.with_suffix("")), "zip", cells)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no npz")
    for part in ("train", "test"):
        shutil.copytree(cells, tmp_path / "parts" / part)
    owners = {
        saved(tmp_path / "set.npz", images=IMAGES, labels=LABELS): Npz,
        medmnist(tmp_path / "bloodmnist.npz"): MedMNIST,
        cells: Folder,
        tmp_path / "parts": Folder,
        other: None,
        tmp_path / "empty": None,
        tmp_path / "text.npz": None,
        cells / "IG": None,
        cells / "IG" / "x.jpg": None,
        tmp_path / "missing": None,
    }
    for path, owner in owners.items():
        assert [cls for cls in (Npz, MedMNIST, Folder) if cls.recognises(path)] == ([owner] if owner else []), path


def test_naming_the_components_imports_nothing_heavy() -> None:
    code = (
        "import sys, cellcls.builtin.datasets, cellcls.builtin.cleaners;"
        "print([name for name in ('torch', 'numpy', 'PIL', 'timm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_challenge_file_is_mapped_where_it_is(challenge_npz: Path, tmp_path: Path) -> None:
    source = Npz(file=challenge_npz).build(path=challenge_npz, input=Input(size=96), cache=tmp_path)
    with np.load(challenge_npz) as file:
        labels = file["labels"]
    assert len(source) == 13_759
    np.testing.assert_array_equal(source.labels, labels[:, 0])
    junk = source.read(np.array([11_959, 13_558, 13_559]))
    np.testing.assert_array_equal(junk[0], junk[1])
    assert (junk[0] != junk[2]).any()
    assert not any(tmp_path.iterdir())


def test_two_folders_of_one_class_are_refused_and_named(tmp_path: Path) -> None:
    for name in ("IG", "immature granulocytes", "monocyte"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (len(name), 0, 0)).save(tmp_path / name / "1.png")
    with pytest.raises(DataError, match=r"'IG' and 'immature granulocytes' are names of one class"):
        Folder(file=tmp_path).build(path=tmp_path, input=Input(size=8), cache=tmp_path / "cache")


def test_classes_that_differ_by_a_sign_are_different(tmp_path: Path) -> None:
    for name in ("CD34+", "CD34-", "\u0915\u0940", "\u0915\u093f"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9), (len(name), 0, 0)).save(tmp_path / name / "1.png")
    source = Folder(file=tmp_path).build(path=tmp_path, input=Input(size=8), cache=tmp_path / "cache")
    assert source.class_names == ("cd34+", "cd34-", "\u0915\u093f", "\u0915\u0940")
