"""The pytest base class of the tests of a plugin with trained models."""

from __future__ import annotations

import importlib
import re
from typing import ClassVar

import pytest
import torch

from cellcls.api import TrainedModel
from cellcls.registry import load_registry
from cellcls.testing.base import heavy_imports


class ModelTests:
    """Tests that every trained model of a plugin must pass. A subclass sets ``plugin``, the module with the hook."""

    plugin: ClassVar[str]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each test over the models."""
        if "model" in metafunc.fixturenames:
            models = list(importlib.import_module(self.plugin).cellcls_models())
            metafunc.parametrize("model", models, ids=[model.name for model in models])

    def test_it_is_described(self, model: TrainedModel) -> None:
        """It has a snake_case name and a title."""
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", model.name), f"`{model.name}` is not snake_case"
        assert len(model.title.split()) >= 3, "its title has fewer than three words"

    def test_its_plugin_imports_nothing_heavy(self, model: TrainedModel) -> None:
        """Listing plugins stays quick: the hook names files and opens none."""
        heavy = heavy_imports(self.plugin)
        assert not heavy, f"importing {self.plugin} imports {', '.join(heavy)}"

    def test_its_files_are_whole(self, model: TrainedModel) -> None:
        """Its network can be built, answers with probabilities of its classes, and has a card."""
        if not model.weights.is_file():
            pytest.skip(f"no weights at {model.weights}")
        from cellcls.engine.network import load_network

        trained = load_network(model.weights, load_registry())
        size = trained.config.input.size
        with torch.no_grad():
            logits = trained.network(torch.rand(2, 3, size, size))
        assert logits.dtype == torch.float32, "it computes in half precision"
        assert logits.shape == (2, len(trained.config.classes)), "its answers do not fit its classes"
        assert bool(torch.isfinite(logits).all()), "its answers are not finite"
        assert not trained.rehearsal, "its weights are of a rehearsal"
        assert model.card is not None, "it has no card"
        assert model.card.is_file(), f"no card at {model.card}"
