from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from cellcls.api import Dataset, Input, Source
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.classes import CLASSES
from cellcls.ops.storage.decode import decode
from cellcls.ops.storage.hashing import content_hash
from cellcls.registry import load_registry
from cellcls.runs.inputs import datasets, recognised
from cellcls.testing import TINY, ComponentTests, command, run_recipe
from cellcls_bloodsets import Bccd, Lisc, Raabin, SegmentationWbc, cellcls_components

ALL: list[type[Dataset]] = [Raabin, Lisc, Bccd, SegmentationWbc]
FIVE = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def picture(path: Path, shade: int, size: tuple[int, int] = (24, 20)) -> Path:
    """Write a picture (width, height) of one shade, but for a corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), shade, dtype=np.uint8)
    pixels[:4, :4] = 255 - shade
    Image.fromarray(pixels).save(path)
    return path


def raabin(root: Path) -> Path:
    for number, part in enumerate(("Train", "Test-A")):
        for shade, name in enumerate(FIVE):
            picture(root / part / name.capitalize() / "1.png", 10 * shade + number)
    picture(root / "TestB" / "Neutrophil" / "1.png", 200)
    picture(root / "Train" / "Burst" / "1.png", 99)
    picture(root / "Train" / "Burst" / "2.png", 98)
    return root


def lisc(root: Path) -> Path:
    for shade, name in enumerate(("Baso", "eosi", "lymp", "mono", "neut", "mixt")):
        picture(root / "Main Dataset" / name / "1.bmp", 10 * shade)
        picture(root / "Ground Truth Segmentation" / name / "areaforexpert1" / "1_expert.bmp", 255)
    return root


def bccd(root: Path) -> Path:
    lines = [",Image,Category", ",0,NEUTROPHIL", ',1,"NEUTROPHIL, EOSINOPHIL"', ",2,", ',3,"BASOPHIL, BASOPHIL"']
    (root / "Annotations").mkdir(parents=True)
    for number in range(6):
        picture(root / "JPEGImages" / f"BloodImage_{number:05}.jpg", 30 * number, (64, 48))
        boxes = BOX.format("WBC", 30, 10, 50, 20) + BOX.format("RBC", 0, 0, 9, 9)
        boxes += BOX.format("WBC", 1, 1, 9, 9) if number == 4 else ""
        (root / "Annotations" / f"BloodImage_{number:05}.xml").write_text(f"<annotation>{boxes}</annotation>")
    (root / "labels.csv").write_text("\n".join([*lines, ",4,MONOCYTE", ",5,EOSINOPHIL", ",77,EOSINOPHIL"]) + "\n")
    return root


def segmentation_wbc(root: Path) -> Path:
    for one, heading, labels in (("1", "class label", "12345"), ("2", "class", "19")):
        for number, _ in enumerate(labels, 1):
            picture(root / f"Dataset {one}" / f"{number:03}.bmp", 20 * number + int(one), (12 * int(one),) * 2)
            picture(root / f"Dataset {one}" / f"{number:03}.png", 255)
        rows = "".join(f"{number},{label}\n" for number, label in enumerate(labels, 1))
        (root / f"Class Labels of Dataset {one}.csv").write_text(f"image ID,{heading}\n{rows}")
    return root


LAYOUTS: dict[type[Dataset], Any] = {Raabin: raabin, Lisc: lisc, Bccd: bccd, SegmentationWbc: segmentation_wbc}


PER_CLASS = 8
"""Pictures a class that are enough to train and to be parted."""


def many_in_raabin(root: Path) -> dict[str, Any]:
    for number in range(5 * PER_CLASS):
        for part in ("Train", "TestA"):
            shade = 50 * (number % 5) + number // 5 + 10 * (part == "Train")
            picture(root / part / FIVE[number % 5] / f"{number}.png", shade)
    return {"file": root}


def many_in_lisc(root: Path) -> dict[str, Any]:
    for number in range(5 * PER_CLASS):
        name = ("Baso", "eosi", "lymp", "mono", "neut")[number % 5]
        picture(root / "Main Dataset" / name / f"{number}.bmp", 50 * (number % 5) + number // 5)
    return {"file": root}


def many_in_bccd(root: Path) -> dict[str, Any]:
    rows = "".join(f",{number},{FIVE[number % 5].upper()}\n" for number in range(5 * PER_CLASS))
    for number in range(5 * PER_CLASS):
        name = f"BloodImage_{number:05}.jpg"
        picture(root / "JPEGImages" / name, 50 * (number % 5) + number // 5)
    (root / "labels.csv").write_text(f",Image,Category\n{rows}")
    return {"file": root, "cell_only": False}


def many_in_segmentation_wbc(root: Path) -> dict[str, Any]:
    rows = "".join(f"{number},{number % 5 + 1}\n" for number in range(5 * PER_CLASS))
    for number in range(5 * PER_CLASS):
        picture(root / "Dataset 1" / f"{number:03}.bmp", 50 * (number % 5) + number // 5)
    (root / "Class Labels of Dataset 1.csv").write_text(f"image ID,class\n{rows}")
    return {"file": root, "datasets": "1"}


class TestComponents(ComponentTests):
    plugin = "cellcls_bloodsets"
    examples: ClassVar[Mapping[str, Any]] = {
        "dataset raabin": many_in_raabin,
        "dataset lisc": many_in_lisc,
        "dataset bccd": many_in_bccd,
        "dataset segmentation_wbc": many_in_segmentation_wbc,
    }


def opened(dataset: Dataset, path: Path, tmp_path: Path, size: int = 16) -> Source:
    return dataset.build(path=path, input=Input(size=size), cache=tmp_path / "cache")


def classes_by_name(source: Source) -> dict[str, str]:
    assert source.names is not None
    return {name: source.class_names[label] for name, label in zip(source.names, source.labels, strict=True)}


def test_the_hook_offers_all_four_and_imports_nothing_heavy() -> None:
    (entry,) = entry_points(group="cellcls", name="bloodsets")
    assert entry.value == "cellcls_bloodsets"
    assert cellcls_components() == ALL
    code = "import sys, cellcls_bloodsets; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_each_set_is_recognised_as_itself_by_the_whole_registry(tmp_path: Path) -> None:
    registry = load_registry()
    for made, lay_out in LAYOUTS.items():
        root = lay_out(tmp_path / made.component_name)
        assert type(recognised(root, registry)).component_name == made.component_name
        asked = [cls for cls in datasets(registry) if cls.recognises(root)]
        assert [cls.component_name for cls in asked if not cls.accepts_any_images] == [made.component_name]
    assert not any(cls.recognises(tmp_path) or cls.recognises(tmp_path / "nowhere") for cls in ALL)


@pytest.mark.parametrize("cls", ALL)
def test_what_every_source_tells(cls: type[Dataset], tmp_path: Path) -> None:
    root = LAYOUTS[cls](tmp_path / "set")
    source = opened(cls(), root, tmp_path)
    everything = np.arange(len(source))
    images = source.read(everything)
    assert images.shape == (len(source), 16, 16, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(source.read(everything[::-1]), images[::-1])
    assert source.names is not None
    assert source.hashes is not None
    assert source.sizes is not None
    if cls is not Bccd:
        for name, stored, size in zip(source.names, source.hashes, source.sizes, strict=True):
            pixels = decode(root / name)
            assert stored == content_hash(pixels)
            assert tuple(size) == pixels.shape[:2]
    again = opened(cls(), root, tmp_path)
    assert np.array_equal(again.read(everything), images)
    assert again.hashes == source.hashes


def test_raabin_keeps_its_parts_and_counts_what_has_no_counterpart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = raabin(tmp_path / "set")
    with caplog.at_level(logging.WARNING):
        source = opened(Raabin(), root, tmp_path)
    assert "2 pictures left out" in caplog.text
    assert "burst (2)" in caplog.text
    assert source.class_names == FIVE
    assert source.parts is not None
    assert {name.split("/")[0]: str(part) for name, part in zip(source.names or (), source.parts, strict=True)} == {
        "Train": "train",
        "Test-A": "test",
    }
    assert classes_by_name(source)["Test-A/Monocyte/1.png"] == "monocyte"
    assert (len(source), len(opened(Raabin(test="B"), root, tmp_path))) == (10, 6)
    assert len(opened(Raabin(test="both"), root, tmp_path)) == 11


def test_lisc_is_found_from_without_and_within(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = lisc(tmp_path / "set")
    with caplog.at_level(logging.WARNING):
        source = opened(Lisc(), root, tmp_path)
    assert "mixt (1)" in caplog.text
    assert classes_by_name(source) == {
        f"Main Dataset/{folder}/1.bmp": name
        for folder, name in zip(("Baso", "eosi", "lymp", "mono", "neut"), FIVE, strict=True)
    }
    assert source.parts is None
    within = opened(Lisc(), root / "Main Dataset", tmp_path)
    assert within.hashes == source.hashes


def test_bccd_takes_smears_with_one_class_and_one_white_cell(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = bccd(tmp_path / "set")
    with caplog.at_level(logging.WARNING):
        source = opened(Bccd(), root, tmp_path)
    assert classes_by_name(source) == {
        "JPEGImages/BloodImage_00000.jpg": "neutrophil",
        "JPEGImages/BloodImage_00003.jpg": "basophil",
        "JPEGImages/BloodImage_00005.jpg": "eosinophil",
    }
    for told in ("NEUTROPHIL, EOSINOPHIL (1)", "no class (1)", "no picture file (1)", "several white cells marked (1)"):
        assert told in caplog.text
    assert source.sizes is not None
    assert source.sizes.tolist() == [[24, 24]] * 3, "1.2 times the longer side, 20"
    assert source.hashes is not None
    whole = decode(root / "JPEGImages" / "BloodImage_00000.jpg")
    assert source.hashes[0] == content_hash(np.ascontiguousarray(whole[3:27, 28:52]))
    smears = opened(Bccd(cell_only=False), root, tmp_path)
    assert len(smears) == 4
    assert smears.sizes is not None
    assert smears.sizes.tolist() == [[48, 64]] * 4


@pytest.mark.parametrize(
    "text", ["<annotation><object>", *(f"<a>{BOX.format('WBC', left, 1, 2, 3)}</a>" for left in ("x", "inf", "nan"))]
)
def test_a_damaged_annotation_is_an_error(tmp_path: Path, text: str) -> None:
    root = bccd(tmp_path / "set")
    (root / "Annotations" / "BloodImage_00000.xml").write_text(text)
    with pytest.raises(DataError, match=r"00000\.xml"):
        opened(Bccd(), root, tmp_path)


def test_segmentation_wbc_reads_labels_by_their_published_meaning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = segmentation_wbc(tmp_path / "set")
    with caplog.at_level(logging.WARNING):
        source = opened(SegmentationWbc(), root, tmp_path)
    order = ("neutrophil", "lymphocyte", "monocyte", "eosinophil", "basophil")
    expected = {f"Dataset 1/{number:03}.bmp": name for number, name in enumerate(order, 1)}
    assert classes_by_name(source) == expected | {"Dataset 2/001.bmp": "neutrophil"}
    assert "label 9 (1)" in caplog.text
    assert opened(SegmentationWbc(datasets="2"), root, tmp_path).class_names == ("neutrophil",)


@pytest.mark.parametrize("text", ["number,class\n1,1\n", "image ID,class\n1,1,1\n", "image ID,class\n\xff\n", ""])
def test_a_table_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    root = segmentation_wbc(tmp_path / "set")
    (root / "Class Labels of Dataset 1.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"Dataset 1\.csv"):
        opened(SegmentationWbc(), root, tmp_path)


def test_a_number_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    root = segmentation_wbc(tmp_path / "set")
    picture(root / "secret.bmp", 1)
    (root / "Class Labels of Dataset 2.csv").write_text("image ID,class\n../secret,1\n1,1\n")
    assert opened(SegmentationWbc(datasets="2"), root, tmp_path).names == ["Dataset 2/001.bmp"]


@pytest.mark.parametrize("cls", ALL)
def test_bad_pictures_missing_folders_and_other_layouts(cls: type[Dataset], tmp_path: Path) -> None:
    root = LAYOUTS[cls](tmp_path / "set")
    names = opened(cls(), root, tmp_path).names
    assert names is not None
    (root / names[0]).write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        opened(cls(), root, tmp_path)
    skipping = cls(on_bad_image="skip")  # type: ignore[call-arg]
    for _ in range(2):
        left = opened(skipping, root, tmp_path)
        assert left.names == names[1:]
        assert [bad.name for bad in left.bad_images] == [names[0]]
    with pytest.raises(DataError, match="cannot be read"):
        opened(cls(), root, tmp_path)
    with pytest.raises(MissingInputError, match="no such folder"):
        opened(cls(), tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        opened(cls(), tmp_path / "empty", tmp_path)


@pytest.mark.parametrize(("cls", "place"), [(Raabin, "Train/Basophil"), (Lisc, "Main Dataset/Baso")])
def test_broken_links_are_left_aside(cls: type[Dataset], place: str, tmp_path: Path) -> None:
    root = LAYOUTS[cls](tmp_path / "set")
    names = opened(cls(), root, tmp_path).names
    (root / place / "0.png").symlink_to(tmp_path / "gone.png")
    (root / place / "folder.png").mkdir()
    (root / place / "notes.txt").write_text("not a picture")
    (root / place / "Thumbs.db").write_text("not one either")
    source = opened(cls(), root, tmp_path)
    assert source.names == names
    assert [(skipped.name, skipped.reason) for skipped in source.skipped_files] == [
        (f"{place}/0.png", "a broken link"),
        (f"{place}/notes.txt", "of another type, .txt"),
    ]


def test_a_network_of_eight_classes_is_evaluated_on_five(tmp_path: Path) -> None:
    run = run_recipe(TINY, tmp_path / "run")
    done = command("evaluate", run, "--data", segmentation_wbc(tmp_path / "set"), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    counts = {name: sum(row) for name, row in zip(CLASSES, found["confusion"], strict=True)}
    assert counts == {name: FIVE.count(name) + (name == "neutrophil") for name in CLASSES}


@pytest.mark.parametrize("cls", ALL)
def test_an_audit_leaves_out_what_cannot_be_read(cls: Any):
    assert cls(file=Path("x")).leniently() == cls(file=Path("x"), on_bad_image="skip")
