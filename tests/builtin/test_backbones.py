from __future__ import annotations

import copy
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from cellcls.api import Features, WeightPlaces
from cellcls.builtin.backbones import Cnn5, Timm, pretrained
from cellcls.errors import DataError, MissingInputError, RecipeError
from cellcls.ops.networks.freezing import Depth, frozen_modules
from cellcls.ops.networks.timm_features import has_weights

SMALL = "tf_mobilenetv3_small_100"


@cache  # on the meta device a network is but its description
def _described(model: str) -> Features:
    with torch.device("meta"):
        return Timm(model=model).build(size=96, weights=None)


def _build(model: str, size: int = 96) -> Features:
    return Timm(model=model).build(size=size, weights=None)


def _own_parameters(built: Features) -> dict[str, int]:
    modules = dict(built.module.named_modules())
    return {name: sum(p.numel() for p in modules[name].parameters(recurse=False)) for name in built.weighted}


# channels, modules with weights and millions of parameters of timm's networks up to their last map; the report names
# those of VGG16, MobileNetV3 and EfficientNetV2
NETWORKS = [
    ("tf_efficientnet_lite0", 1280, 98, 3.37),
    (SMALL, 576, 86, 0.93),
    ("tf_efficientnet_b0", 1280, 130, 4.01),
    ("vgg16", 512, 13, 14.71),
    ("convnext_base", 1024, 188, 87.56),
    ("tf_efficientnetv2_m", 1280, 402, 52.86),
    ("tf_efficientnetv2_l", 1280, 556, 117.23),
    ("vit_tiny_patch16_224", 192, 75, 5.49),
    ("swin_tiny_patch4_window7_224", 768, 93, 27.51),
    ("densenet121", 1024, 241, 6.95),
]


@pytest.mark.parametrize(("model", "channels", "weighted", "millions"), NETWORKS)
def test_networks_of_timm(model: str, channels: int, weighted: int, millions: float) -> None:
    built = _described(model)
    side = 6 if model.startswith("vit") else 3
    images = torch.zeros(2, 3, 96, 96, device="meta")
    output = built.module.train()(images)
    assert output.shape == (2, channels, side, side)
    assert built.channels == channels
    assert len(built.weighted) == weighted == len(set(built.weighted))
    assert sum(p.numel() for p in built.module.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)

    modules = dict(built.module.named_modules())
    assert {name for name, module in modules.items() if has_weights(module)} == set(built.weighted)
    gradients = torch.autograd.grad(output.sum(), list(built.module.parameters()), allow_unused=True)
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("model", [network[0] for network in NETWORKS])
def test_layers_give_ever_coarser_maps_and_end_with_the_last(model: str) -> None:
    built = _described(model)
    modules, sides = dict(built.module.named_modules()), []
    hooks = []
    for layer in built.layers:

        def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            map_ = built.grid(output) if built.grid else output
            assert map_.ndim == 4
            sides.append(map_.shape[-1])

        hooks.append(modules[layer].register_forward_hook(note))
    last = built.module(torch.zeros(1, 3, 96, 96, device="meta")).shape[-1]
    assert len(sides) == len(built.layers) >= 4
    assert all(shallow >= deep for shallow, deep in pairwise(sides))
    assert sides[-1] == last


def test_call_order_is_that_of_the_computation() -> None:
    weighted = _described("tf_efficientnetv2_m").weighted
    block = [name.removeprefix("blocks.5.7.") for name in weighted if name.startswith("blocks.5.7.")]
    assert block == ["conv_pw", "bn1", "conv_dw", "bn2", "se.conv_reduce", "se.conv_expand", "conv_pwl", "bn3"]
    convnext = _described("convnext_base").weighted  # a block's own layer scale acts after its dense layers
    block = [name for name in convnext if name.startswith("stages.2.blocks.14")]
    assert [name.rpartition(".")[2] for name in block] == ["conv_dw", "norm", "fc1", "fc2", "14"]


# report, section 8: Keras nodes, how many bear weights, first so many frozen -> modules, last one, share of parameters
DEPTHS = [
    ("tf_efficientnetv2_m", 740, 402, 500, 273, "blocks.5.7.conv_pw", 0.370),
    ("tf_efficientnetv2_l", 1028, 556, 700, 380, "blocks.5.10.bn1", 0.372),
    ("convnext_base", 259, 189, 150, 110, "stages.2.blocks.14.mlp.fc2", 0.395),
    ("convnext_base", 259, 189, 109, None, "stages.2.blocks.8", 0.249),
]


@pytest.mark.parametrize(("model", "nodes", "bearing", "keras_layers", "count", "last", "share"), DEPTHS)
def test_depths_of_the_report(
    model: str, nodes: int, bearing: int, keras_layers: int, count: int | None, last: str, share: float
) -> None:
    built = _described(model)
    assert built.keras_nodes is not None
    assert (len(built.keras_nodes), sum(map(int, built.keras_nodes))) == (nodes, bearing)
    parameters = _own_parameters(built)
    depth = Depth(weighted=built.weighted, parameters=parameters, keras_nodes=built.keras_nodes, model=model)
    frozen = frozen_modules(depth, keras_layers=keras_layers)
    assert frozen[-1] == last
    assert count is None or len(frozen) == count
    total = sum(parameters.values())
    assert total == sum(p.numel() for p in built.module.parameters())
    assert sum(parameters[name] for name in frozen) / total == pytest.approx(share, abs=0.001)
    if model == "tf_efficientnetv2_m":  # the whole-block reading
        whole = frozen_modules(depth, until="blocks.5.7")
        assert frozen[:-1] == whole
        assert sum(parameters[name] for name in whole) / total == pytest.approx(0.364, abs=0.006)


@pytest.mark.parametrize("model", [SMALL, "tf_efficientnet_b0", "vgg16"])
def test_keras_lists_count_as_many_modules_as_timm(model: str) -> None:
    built = _described(model)
    assert built.keras_nodes is not None
    assert sum(map(int, built.keras_nodes)) == len(built.weighted)


def test_no_list_for_other_networks() -> None:
    assert _described("resnet18").keras_nodes is None


@pytest.mark.parametrize("model", [SMALL, "vit_tiny_patch16_224"])
def test_the_map_is_timms(model: str) -> None:
    torch.manual_seed(0)
    built = _build(model)
    torch.manual_seed(0)
    options = {"img_size": 96} if model.startswith("vit") else {}
    theirs = timm.create_model(model, num_classes=0, **options).eval()
    theirs.load_state_dict(built.module.state_dict(), strict=False)
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        features = theirs.forward_features(images)
        if model.startswith("vit"):
            features = features[:, 1:].reshape(2, 6, 6, -1).permute(0, 3, 1, 2)
        torch.testing.assert_close(built.module.eval()(images), features)


def test_a_copy_is_of_its_own() -> None:
    built = _build(SMALL)
    copied = copy.deepcopy(built.module).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        before = copied(images)
        for parameter in built.module.parameters():
            parameter.zero_()
        assert torch.equal(copied(images), before)


def test_building_leaves_the_mode_and_the_statistics_alone() -> None:
    built = _build(SMALL)
    assert all(module.training for module in built.module.modules())
    assert all(parameter.requires_grad for parameter in built.module.parameters())
    assert torch.equal(built.module.bn1.running_mean, torch.zeros(16))  # type: ignore[union-attr, arg-type]


def test_mean_and_std_are_those_of_the_weights() -> None:
    assert _described("tf_efficientnetv2_m.in1k").mean == (0.5, 0.5, 0.5)
    assert _described("vgg16.tv_in1k").std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("model", ["nonsense", "hf-hub:timm/resnet18", "local-dir:/tmp", "tf_efficientnet_b0.nonsense"])
def test_unknown_names(model: str) -> None:
    with pytest.raises(RecipeError, match=model.partition(".")[0]):
        Timm(model=model).build(size=96, weights=None)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(RecipeError, match="`tf_efficientnetv2_m`"):
        Timm(model="tf_efficientnetv2m").build(size=96, weights=None)


def test_a_size_the_network_cannot_take() -> None:
    with pytest.raises(RecipeError, match=r"`vgg16` takes no images of 16 x 16 pixels: .*too small"):
        _build("vgg16", size=16)


@pytest.mark.parametrize(
    ("model", "size", "gives"),
    [("efficientvim_m1", 64, "several tensors"), ("crossvit_9_240", 240, "several tensors"), ("coat_tiny", 224, "")],
)
def test_a_network_that_gives_no_map_is_refused(model: str, size: int, gives: str) -> None:
    with torch.device("meta"), pytest.raises(RecipeError, match=f"gives no map of features.*{gives}"):
        Timm(model=model).build(size=size, weights=None)


def test_drop_path() -> None:
    built = Timm(model="tf_efficientnet_lite0", drop_path=0.2).build(size=64, weights=None)
    assert any(getattr(module, "drop_prob", 0) for module in built.module.modules())
    with pytest.raises(RecipeError, match="no residual branches"):
        Timm(model="vgg11", drop_path=0.2).build(size=64, weights=None)


# --- pretrained weights -----------------------------------------------------------------------------------------


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    return tmp_path / "hub"


def _save(path: Path, model: str = SMALL, seed: int = 7) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    tensors = {name: tensor.clone() for name, tensor in timm.create_model(model).state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path)
    return tensors


@pytest.mark.parametrize("file", [f"{SMALL}.in1k.safetensors", f"{SMALL}.safetensors"])
def test_weights_from_a_folder(tmp_path: Path, no_cache: Path, file: str) -> None:
    tensors = _save(tmp_path / "weights" / file)
    places = WeightPlaces(directory=tmp_path / "weights", offline=True)
    backbone = Timm(model=f"{SMALL}.in1k", pretrained=True)
    wanted = backbone.wants(places)
    assert wanted is not None
    assert (wanted.name, wanted.megabytes, wanted.at_hand) == (f"{SMALL}.in1k", 10.2, True)
    loaded = backbone.build(size=64, weights=places).module.state_dict()
    assert loaded
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in loaded.items())


def test_weights_from_the_cache_of_hugging_face(no_cache: Path) -> None:
    tensors = _save(no_cache / f"models--timm--{SMALL}.in1k" / "snapshots" / "abc" / "model.safetensors")
    _save(no_cache / f"models--timm--{SMALL}.another" / "snapshots" / "abc" / "model.safetensors", seed=8)
    backbone = Timm(model=f"{SMALL}.in1k", pretrained=True)
    places = WeightPlaces(offline=True)
    wanted = backbone.wants(places)
    assert wanted is not None
    assert wanted.at_hand
    loaded = backbone.build(size=64, weights=places).module.state_dict()
    assert torch.equal(loaded["conv_stem.weight"], tensors["conv_stem.weight"])


def test_position_embeddings_are_resized(tmp_path: Path, no_cache: Path) -> None:
    _save(tmp_path / "vit_tiny_patch16_224.safetensors", "vit_tiny_patch16_224")
    built = Timm(model="vit_tiny_patch16_224", pretrained=True).build(
        size=96, weights=WeightPlaces(directory=tmp_path, offline=True)
    )
    assert built.module.pos_embed.shape == (1, 37, 192)  # type: ignore[union-attr]


@pytest.mark.parametrize("offline", [True, False])
def test_weights_that_are_not_to_be_had(
    no_cache: Path, tmp_path: Path, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, int]] = []

    def refused(address: tuple[str, int], *_args: object, **_more: object) -> None:
        tried.append(address)
        raise OSError

    monkeypatch.setattr(pretrained.socket, "create_connection", refused)
    monkeypatch.setattr(pretrained, "getproxies", dict)
    places = WeightPlaces(directory=tmp_path, offline=offline)
    backbone = Timm(model=f"{SMALL}.in1k", pretrained=True)
    wanted = backbone.wants(places)
    assert wanted is not None
    assert not wanted.at_hand
    with pytest.raises(MissingInputError) as caught:
        backbone.build(size=64, weights=places)
    assert tried == ([] if offline else [("127.0.0.1", 9)]), "the hub's client would try for half a minute"
    for way_out in (f"{SMALL}.in1k.safetensors", "--weights DIR", "cellcls-efficientnet-lite", "--rehearse"):
        assert way_out in str(caught.value)
    assert ("--offline" in caught.value.message) is offline


def test_weights_of_another_network(tmp_path: Path, no_cache: Path) -> None:
    _save(tmp_path / f"{SMALL}.in1k.safetensors", "tf_mobilenetv3_small_075")
    with pytest.raises(DataError, match=r"`\S+` has shape .* expected"):
        Timm(model=f"{SMALL}.in1k", pretrained=True).build(size=64, weights=WeightPlaces(directory=tmp_path))
    _save(tmp_path / "vit_tiny_patch16_224.safetensors", "vgg11")
    with pytest.raises(DataError, match="another network"):
        Timm(model="vit_tiny_patch16_224", pretrained=True).build(size=96, weights=WeightPlaces(directory=tmp_path))


def test_a_pickle_in_the_folder_is_refused(tmp_path: Path, no_cache: Path) -> None:
    torch.save({}, tmp_path / f"{SMALL}.pth")
    for directory in (tmp_path, tmp_path / f"{SMALL}.pth"):
        with pytest.raises(DataError, match="safetensors files only"):
            Timm(model=SMALL, pretrained=True).build(size=64, weights=WeightPlaces(directory=directory))


def test_a_random_start_asks_for_nothing() -> None:
    assert Timm(model=SMALL).wants(WeightPlaces()) is None
    built = Timm(model=SMALL, pretrained=True).build(size=64, weights=None)  # a rehearsal
    assert built.channels == 576


def test_asking_for_weights_imports_no_torch() -> None:
    code = (
        "import sys; from cellcls.api import WeightPlaces; from cellcls.builtin.backbones import Timm\n"
        "assert Timm(model='tf_efficientnetv2_l.in1k', pretrained=True).wants(WeightPlaces()).megabytes > 400\n"
        "import cellcls.builtin.heads, cellcls.builtin.losses, cellcls.builtin.optimizers, cellcls.builtin.schedules\n"
        "import cellcls.builtin.callbacks, cellcls.builtin.explainers\n"
        "assert not {'torch', 'timm', 'numpy', 'captum'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- cnn5 -------------------------------------------------------------------------------------------------------


def test_cnn5() -> None:
    built = Cnn5().build(size=96, weights=None)
    output = built.module(torch.rand(2, 3, 96, 96))
    assert output.shape == (2, 256, 3, 3) == (2, built.channels, 3, 3)
    weights = [(3, 32), (32, 64), (64, 128), (128, 256), (256, 256)]
    assert sum(p.numel() for p in built.module.parameters()) == sum(9 * a * b + b for a, b in weights)
    assert built.weighted == tuple(f"blocks.{block}.conv" for block in range(5))
    modules = dict(built.module.named_modules())
    assert set(built.layers) <= set(modules)


def test_cnn5_refuses_images_it_would_pool_away() -> None:
    with pytest.raises(RecipeError, match="cannot be halved 5 times"):
        Cnn5().build(size=16, weights=None)
