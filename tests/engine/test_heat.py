"""Heat maps lie on the cell once a network has learned, and do not before."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellcls.api import Input
from cellcls.engine.data import open_source
from cellcls.engine.heat import heat_maps, heat_metrics, masks, spread
from cellcls.engine.images import Images
from cellcls.engine.network import build_features, load_network, network_config

RECIPE = """
seed = 5
[dataset]
use = "synthetic"
images_per_class = 100
[split]
val = 0.05
test = 0.25
[input]
size = 48
[[augment]]
use = "flip"
[backbone]
use = "cnn5"
filters = [16, 32, 64]
[[stages]]
epochs = 8
optimizer = { use = "adam", lr = 2e-3 }
schedule = { use = "cosine" }
[[explain]]
use = "grad_cam"
"""


def test_heat_lies_on_the_cell_once_trained(make_job, execute):
    job = make_job("", tiny=RECIPE)
    execute(job)
    recipe = job.inputs.recipe
    source = open_source(job.inputs)
    images = Images(source, Input(size=48), torch.device("cpu"))
    chosen = spread(source.labels, np.arange(len(source)), 64)
    random = network_config(recipe, source.class_names).build(build_features(recipe, None))
    trained = load_network(job.folder.path, job.registry).network
    metrics = {}
    for name, network in (("random", random), ("trained", trained)):
        maps = heat_maps(recipe.explain[0], network, images, chosen)
        assert maps.maps.shape == (64, 48, 48)
        assert maps.maps.min() >= 0
        assert maps.maps.max() <= 1
        metrics[name] = heat_metrics(maps.maps, masks(images, chosen))
    area = metrics["trained"]["cell_area"]
    assert metrics["trained"]["heat_inside"] > 1.3 * area, metrics
    assert metrics["random"]["heat_inside"] < 1.3 * area, metrics


def test_images_are_spread_over_the_classes():
    labels = np.array([0, 0, 0, 1, 1, 2])
    assert spread(labels, np.arange(6), 4).tolist() == [0, 3, 5, 1]
    assert spread(labels, np.arange(6), 100).tolist() == [0, 3, 5, 1, 4, 2]


@pytest.mark.parametrize("model", ["tf_efficientnet_lite0", "convnext_atto", "test_vit", "vit_tiny_patch16_224"])
def test_every_sort_of_network_gives_maps_through_frozen_layers(make_job, execute, model: str):
    more = f"""
[backbone]
use = "timm"
model = "{model}"
[[stages]]
epochs = 1
freeze = "backbone"
[[explain]]
use = "grad_cam"
images = 2
"""
    job = make_job(more, tiny="seed = 1\n[input]\nsize = 64\n", rehearse=True)
    execute(job)
    maps = np.load(job.folder.array("explain", "grad_cam"))["maps"]
    assert maps.shape == (2, 64, 64)
    assert np.isfinite(maps).all()
