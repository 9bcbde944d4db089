from __future__ import annotations

from importlib import metadata

from cellcls.registry import load_registry
from cellcls.testing import ModelTests


class TestModel(ModelTests):
    plugin = "cellcls_model"


def test_the_hook_offers_the_model() -> None:
    point = metadata.EntryPoint(name="model", value="cellcls_model", group="cellcls")
    (record,) = load_registry([point]).plugins
    assert record.failure is None
    assert record.offers() == ["model blood_cells"]
    assert record.heavy == ()


def test_the_weights_are_small() -> None:
    point = metadata.EntryPoint(name="model", value="cellcls_model", group="cellcls")
    (model,) = load_registry([point]).plugins[0].models
    assert not model.weights.exists() or model.weights.stat().st_size <= 16e6
