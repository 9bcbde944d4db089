from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cellcls
from cellcls.api import TrainedModel
from cellcls.registry import load_registry
from cellcls.testing import ModelTests


class TestModel(ModelTests):
    plugin = "cellcls_model"


@pytest.fixture
def model() -> TrainedModel:
    point = metadata.EntryPoint(name="model", value="cellcls_model", group="cellcls")
    (record,) = load_registry([point]).plugins
    assert record.failure is None
    assert record.offers() == ["model blood_cells"]
    assert record.heavy == ()
    return record.models[0]


def test_the_weights_are_there_and_small(model: TrainedModel) -> None:
    assert model.weights.stat().st_size <= 16e6


def test_a_picture_of_something_else_is_unknown(model: TrainedModel, tmp_path: Path) -> None:
    skimage = pytest.importorskip("skimage.data")
    Image.fromarray(skimage.coffee()).save(tmp_path / "coffee.png")
    Image.fromarray(np.full((96, 96, 3), 230, np.uint8)).save(tmp_path / "empty.png")
    for prediction in cellcls.predict([tmp_path], run=model.weights):
        assert prediction.unknown


@pytest.mark.skipif("CELLCLS_TEST_DATA" not in os.environ, reason="CELLCLS_TEST_DATA is not set: no real cells")
def test_cells_of_another_microscope(model: TrainedModel, tmp_path: Path) -> None:
    """100 cells of five classes: far more than by chance, and most of them are known."""
    with np.load(Path(os.environ["CELLCLS_TEST_DATA"]) / "foreign_dev.npz", allow_pickle=False) as given:
        images, labels = given["images"], given["labels"].ravel()
    np.savez(tmp_path / "cells.npz", images=images)
    found = list(cellcls.predict([tmp_path / "cells.npz"], run=model.weights))
    names = ["basophil", "eosinophil", "erythroblast", "immature_granulocyte", "lymphocyte", "monocyte", "neutrophil"]
    right = [prediction.label == names[label] for prediction, label in zip(found, labels, strict=True)]
    assert np.mean(right) > 0.5
    assert np.mean([bool(prediction.unknown) for prediction in found]) < 0.25
