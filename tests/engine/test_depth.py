"""Two networks compared depth by depth."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tomli
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellcls.api import Backbone, Input, Source
from cellcls.builtin.backbones import Cnn5, Timm
from cellcls.builtin.explainers import GradCam
from cellcls.builtin.heads import Linear
from cellcls.engine.depth import Block, ComparedNetwork, Comparison, blocks_of, compare_depths, similarity
from cellcls.engine.heat import top_predictions
from cellcls.engine.images import Images
from cellcls.engine.network import Network, NetworkConfig
from cellcls.ops.networks.freezing import frozen_modules
from cellcls.recipe import load
from cellcls.registry import load_registry
from cellcls.runs.records import DepthRecord

RECIPES = Path(__file__).parents[2] / "recipes"

RECIPE = """
[[stages]]
name = "head"
epochs = 1
freeze = "backbone"
[[stages]]
name = "finetune"
epochs = 1
optimizer = { use = "adam", lr = 1e-2 }
[[explain]]
use = "grad_cam"
name = "depth"
compare = ["head", "finetune"]
images = 4
"""


def test_a_run_compares_its_stages(make_job, execute):
    job = make_job(RECIPE, rehearse=True)
    execute(job)
    record = json.loads((job.folder.path / "explain" / "depth.json").read_text())
    assert record["names"] == ["head", "finetune"]
    assert [one["layer"] for one in record["depths"]] == ["blocks.0.relu", "blocks.1.relu"]
    assert record["depths"][0]["frozen_share"] == 0
    figures = json.loads(job.folder.metrics.read_text())["explanations"]["depth"]
    assert figures["frozen_share"] == record["frozen_share"]
    kept = np.load(job.folder.array("explain", "depth"))
    assert kept["layers"].tolist() == ["blocks.0.relu", "blocks.1.relu"]
    assert kept["maps"].shape == (2, 2, 2, 32, 32)  # layers, networks, images of a rehearsal
    assert kept["predicted"].shape == (2, 2)


def test_a_claim_is_judged_by_what_the_comparison_found(make_job, execute):
    claim = "[claim]\nplace = 'here'\n[claim.depth]\nfrozen_share = { value = 0.5, tolerance = 0.5 }\n"
    job = make_job(RECIPE + claim, rehearse=True)
    execute(job)
    metrics = json.loads(job.folder.metrics.read_text())
    record = json.loads((job.folder.path / "explain" / "depth.json").read_text())
    assert set(metrics["explanations"]["depth"]) == {
        *("frozen_share", "frozen_share_lasting", "similarity_first", "similarity_last"),
        *("heat_inside_before", "heat_inside_after", "cell_area"),
    }
    [judged] = metrics["claims"]
    assert (judged["evaluation"], judged["metric"]) == ("depth", "frozen_share")
    assert judged["measured"] == record["frozen_share"]


BACKBONES = {name: f'use = "{name}"' for name in load_registry().names("backbone") if name != "timm"}
BACKBONES["stain_normalised"] += '\n[backbone.inner]\nuse = "cnn5"\nfilters = [8, 8, 8]'
BACKBONES |= {model: f'use = "timm"\nmodel = "{model}"' for model in ("tf_mobilenetv3_small_100", "test_vit")}


def test_every_shipped_backbone_and_a_vit_are_compared():
    assert {"cnn5", "efficientnet_lite0", "test_vit"} <= BACKBONES.keys()


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=BACKBONES)
def test_depths_of_every_shipped_backbone(make_job, execute, backbone: str):
    job = make_job(RECIPE, tiny=f"seed = 1\n[input]\nsize = 64\n[backbone]\n{backbone}\n", rehearse=True)
    execute(job)
    record = json.loads((job.folder.path / "explain" / "depth.json").read_text())
    assert len(record["depths"]) >= 2
    shares = [one["frozen_share"] for one in record["depths"]]
    assert shares[0] == 0
    assert strictly_increasing(shares)
    assert all(np.isfinite([one["similarity"], *one["heat_inside"]]).all() for one in record["depths"])


maps = arrays(np.float32, (3, 4, 4), elements=st.floats(0, 1, width=32))


@given(maps)
def test_a_map_is_like_itself(one):
    assert similarity(one, one) == pytest.approx(1, abs=1e-3)


@given(maps, maps)
def test_similarity_is_symmetric_and_bounded(one, other):
    assert similarity(one, other) == pytest.approx(similarity(other, one), abs=1e-4)
    assert -1.001 <= similarity(one, other) <= 1.001


# --- how much lies before a block -------------------------------------------------------------------------------


def strictly_increasing(values: list[float]) -> bool:
    return all(one < other for one, other in pairwise(values))


def _recipe_backbones() -> dict[str, tuple[Backbone, int]]:
    """All backbones of the recipes and a ViT, each with the size of its images."""
    registry = load_registry()
    recipes = [
        load(file, registry, variant=variant, rehearse=True)[0].recipe
        for file in sorted(RECIPES.glob("*.toml"))
        for variant in (tomli.loads(file.read_text()).get("variants") or [None])
    ]
    found = {getattr(one.backbone, "model", one.backbone.component_name): one for one in recipes}
    vit = {"vit_tiny_patch16_224": (Timm(model="vit_tiny_patch16_224"), 64)}
    return {name: (one.backbone, one.input.size) for name, one in found.items()} | vit


RECIPE_BACKBONES = _recipe_backbones()


def test_all_networks_of_the_recipes_are_here():
    families = ("vgg16", "efficientnet_b0", "v2_m", "v2_l", "convnext_base", "mobilenetv3_small", "lite0", "cnn5")
    assert all(any(family in name for name in RECIPE_BACKBONES) for family in families), list(RECIPE_BACKBONES)


@cache
def blocks_on_meta(backbone: Backbone, size: int) -> tuple[Network, dict[str, Block]]:
    """The blocks of a network that has shapes and no weights."""
    with torch.device("meta"):
        network = Network(backbone.build(size=size, weights=None), torch.nn.Identity())
        return network, blocks_of(network, size)


@pytest.mark.parametrize("name", RECIPE_BACKBONES)
def test_shares_grow_from_block_to_block(name: str):
    network, blocks = blocks_on_meta(*RECIPE_BACKBONES[name])
    assert tuple(blocks) == network.features.layers
    shares = [block.frozen_share for block in blocks.values()]
    assert shares[0] == 0
    assert strictly_increasing(shares)
    assert 0.5 < shares[-1] <= 1 or name == "cnn5"  # whose last convolution holds 60% of the weights
    depth = network.depth(name)
    for block in blocks.values():
        frozen = frozen_modules(depth, *([] if block.until else ["backbone"]), until=block.until)
        share = sum(depth.parameters[module] for module in frozen) / sum(depth.parameters.values())
        assert share == pytest.approx(block.frozen_share)


def test_layers_without_weights_stand_for_those_that_made_their_map():
    _, blocks = blocks_on_meta(Timm(model="vgg16"), 32)  # its layers are ReLUs and poolings
    assert [block.until for block in blocks.values()] == [f"features.{at}" for at in (0, 5, 10, 17, 24)] + [None]
    convolutions = np.cumsum([0, 38_720, 221_440, 1_475_328, 5_899_776, 7_079_424])
    assert [block.frozen_share for block in blocks.values()] == pytest.approx(convolutions / convolutions[-1])


@pytest.mark.parametrize(
    ("model", "layer", "share"),
    [("tf_efficientnetv2_m.in1k", "blocks.5.7", 0.359), ("tf_efficientnetv2_l.in1k", "blocks.5.10", 0.364)],
)
def test_shares_are_those_of_the_specification(model: str, layer: str, share: float):
    _, blocks = blocks_on_meta(*RECIPE_BACKBONES[model])
    assert blocks[layer].frozen_share == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize("variant", ["effnetv2l", "lite_depth"])
def test_the_recipe_compares_every_block(variant: str):
    [loaded] = load(RECIPES / "gradcam_depth.toml", load_registry(), variant=variant, rehearse=True)
    network, _ = blocks_on_meta(loaded.recipe.backbone, loaded.recipe.input.size)
    assert loaded.recipe.explain[0].depths >= len(network.features.layers)


# --- the comparison itself --------------------------------------------------------------------------------------


class Cells(Source):
    """Six images of coarse noise, of three classes."""

    class_names = ("a", "b", "c")

    def __init__(self) -> None:
        self.labels = np.array([0, 1, 2, 0, 1, 2])
        coarse = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
        self.pixels = coarse.repeat(8, axis=1).repeat(8, axis=2)

    def read(self, indices):
        return self.pixels[indices]


def subject(seed: int, *, size: int = 32, name: str = "one") -> ComparedNetwork:
    features = Cnn5(filters=(4, 6, 8)).build(size=size, weights=None)
    for number, parameter in enumerate(features.module.parameters()):
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(100 * seed + number))
    config = NetworkConfig(backbone=Cnn5(), head=Linear(), input=Input(size=size), classes=Cells.class_names)
    images = Images(Cells(), Input(size=size), torch.device("cpu"))
    return ComparedNetwork(name=name, network=config.build(features, seed), images=images)


def test_both_networks_are_asked_for_the_given_class():
    asked = []

    class Spy(GradCam):
        def build(self, *, network, layer, grid):
            inner = super().build(network=network, layer=layer, grid=grid)

            def note(images, classes):
                asked.append(classes.tolist())
                return inner(images, classes)

            return note

    pair = subject(0), subject(1)
    said = [top_predictions(network.network, network.images, np.arange(6))[0].tolist() for network in pair]
    labels = Cells().labels.tolist()
    assert labels not in said
    assert said[0] != said[1]
    found = compare_depths(Spy(), pair, np.arange(6))
    assert asked == [labels] * 6  # two networks, three layers
    assert found.pictured.predicted.tolist() == said


def test_networks_of_two_sizes_see_the_images_at_their_own():
    small, large = subject(0), subject(0, size=48)
    found = compare_depths(GradCam(), (small, large), np.arange(6))
    assert found.pictured.maps.shape == (3, 2, 6, 32, 32)
    assert min(one.similarity for one in found.depths) > 0.5  # the same weights
    assert found.advised is None or found.advised.layer != "blocks.0.relu"


def test_the_same_network_never_parts():
    found = compare_depths(GradCam(), (subject(0), subject(0)), np.arange(6))
    assert [one.similarity for one in found.depths] == pytest.approx([1, 1, 1])
    assert (found.advised, found.lasting) == (None, None)
    assert found.record().freeze == '"backbone"'
    assert found.metrics()["frozen_share"] == 1


def test_what_changes_in_the_last_block_shows_in_the_maps_of_the_first():
    """Grad-CAM weighs a layer's channels by what deeper layers make of them (docs/design/explain.md)."""
    one, other = subject(0), subject(0)
    with torch.no_grad():
        torch.nn.init.normal_(other.network.backbone.blocks[2].conv.weight, generator=torch.Generator().manual_seed(9))
    found = compare_depths(GradCam(), (one, other), np.arange(6))
    assert found.depths[0].similarity < 0.9


def test_advice_is_the_first_depth_that_parts_and_the_lasting_one_where_they_stay_apart():
    def found(*similarities: float) -> Comparison:
        depths = tuple(
            DepthRecord(layer=f"b{at}", frozen_share=at / 10, until=f"b{at}.conv", similarity=one, heat_inside=(0, 0))
            for at, one in enumerate(similarities)
        )
        pictured = compare_depths(GradCam(depths=2), (subject(0), subject(0)), np.arange(1)).pictured
        return Comparison(names=("a", "b"), depths=depths, cell_area=0.3, same_above=0.8, pictured=pictured)

    noisy = found(0.9, 0.1, 0.9, 0.9, 0.5, 0.4)
    assert (noisy.advised.layer, noisy.lasting.layer) == ("b1", "b4")
    assert noisy.record().freeze == '{ until = "b1.conv" }'
    assert (noisy.metrics()["frozen_share"], noisy.metrics()["frozen_share_lasting"]) == (0.1, 0.4)
    apart = found(0.1, 0.2)
    assert apart.advised == apart.lasting == apart.depths[0]
    assert apart.record().freeze == '"none"'
    back = found(0.1, 0.9)
    assert (back.advised.layer, back.lasting) == ("b0", None)
