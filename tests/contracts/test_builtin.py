"""Every registered component of cellcls passes what plugin authors' components pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cellcls.api import KINDS
from cellcls.builtin.datasets.synthetic import Synthetic
from cellcls.ops.classes import CLASSES
from cellcls.ops.curation.decisions import DecisionRow, write_decisions
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.hashing import data_hash, source_hashes
from cellcls.testing import CHECKS, ComponentTests, example_source

COUNT = 76
"""Built-in components: the one place that says how many are tested."""


def _cells(per_class: int = 4) -> tuple[NDArray[Any], NDArray[Any]]:
    labels = np.repeat(np.arange(8), per_class)
    return np.stack([render(int(label), seed, size=32).image for seed, label in enumerate(labels)]), labels


def npz(folder: Path) -> Mapping[str, Any]:
    images, labels = _cells()
    np.savez(folder / "set.npz", images=images, labels=labels)
    return {"file": folder / "set.npz"}


def medmnist(folder: Path) -> Mapping[str, Any]:
    images, labels = _cells()
    part_of = np.array(["train", "train", "val", "test"])[np.arange(len(labels)) % 4]
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = images[part_of == part], labels[part_of == part, None]
    np.savez(folder / "bloodmnist.npz", **arrays)
    return {"file": folder / "bloodmnist.npz"}


def class_folders(folder: Path) -> Mapping[str, Any]:
    images, labels = _cells()
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / CLASSES[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / CLASSES[label] / f"{row}.png")
    return {"file": folder}


def table(folder: Path) -> Mapping[str, Any]:
    images, labels = _cells()
    rows = ["file,label"]
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image).save(folder / f"{row}.png")
        rows.append(f"{row}.png,{CLASSES[label]}")
    (folder / "cells.csv").write_text("\n".join(rows))
    return {"file": folder / "cells.csv"}


def decisions(folder: Path) -> Mapping[str, Any]:
    source = example_source()
    hashes = source_hashes(source)
    row = DecisionRow(index=3, file="", hash=hashes[3], finding="dark", reason="too dark", action="drop")
    whole = data_hash(hashes, source.labels, source.class_names)
    (folder / "decisions.csv").write_text(write_decisions(whole, len(source), [row]))
    return {"file": folder / "decisions.csv"}


class TestBuiltin(ComponentTests):
    plugin = "cellcls.builtin"
    examples: ClassVar[Mapping[str, Any]] = {
        "dataset npz": npz,
        "dataset medmnist": medmnist,
        "dataset folder": class_folders,
        "dataset table": table,
        "dataset synthetic": {"images_per_class": 4},
        "augmentation kornia": {"name": "RandomPlasmaShadow"},
        "backbone timm": {"model": "test_resnet"},
        "backbone cnn5": {"filters": (4, 6)},
        "cleaner decisions": decisions,
        "cleaner drop_shared": {"against": Synthetic(images_per_class=4)},
        "cleaner drop_indices": {"ranges": ((0, 1),)},
    }


def test_all_of_them_are_tested() -> None:
    assert len(TestBuiltin.offered()) == COUNT


def test_no_kind_lacks_its_checks() -> None:
    assert [kind for kind in KINDS if kind not in CHECKS] == []
