"""The network of a run and the files of its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.sources import stacked
from torch import nn

from cellcls.api import Features, changed
from cellcls.engine.job import Job
from cellcls.engine.network import (
    Network,
    NetworkConfig,
    build_features,
    load_network,
    map_size,
    network_config,
    recipe_hash,
    save_weights,
)
from cellcls.errors import DataError, MissingInputError, PluginError
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors
from cellcls.recipe import Recipe

CLASSES = tuple("abcde")


@pytest.fixture
def recipe(make_job: Callable[..., Job]) -> Recipe:
    return make_job().recipe


@pytest.fixture
def config(recipe: Recipe) -> NetworkConfig:
    return network_config(recipe, CLASSES)


def features(module: nn.Module, channels: int = 3) -> Features:
    mean, std = (0.5, 0.25, 0.0), (0.5, 0.25, 2.0)
    return Features(module=module, channels=channels, mean=mean, std=std, weighted=(), layers=())


def test_images_are_normalised_once_before_the_backbone() -> None:
    network = Network(features(nn.Identity()), nn.Identity())
    images = torch.tensor([1.0, 0.5, 0.5]).view(1, 3, 1, 1)
    assert network(images).flatten().tolist() == [1.0, 1.0, 0.25]
    assert not network.state_dict(), "mean and std are settings of the backbone, not weights"


def test_a_seed_starts_the_same_network_and_another_seed_another(recipe: Recipe, config: NetworkConfig) -> None:
    first, again, other = (
        config.build(build_features(changed(recipe, seed=seed), None), seed).state_dict() for seed in (7, 7, 8)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(not torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


def test_weights_are_loaded_as_they_were_saved(
    recipe: Recipe, config: NetworkConfig, tmp_path: Path, make_job: Callable[..., Job]
) -> None:
    network, images = config.build(build_features(recipe, None), 3).eval(), torch.rand(4, 3, 32, 32)
    save_weights(tmp_path / "best.safetensors", network.state_dict(), recipe, config, rehearsal=True)
    registry = make_job(out="another").registry
    for path in (tmp_path, tmp_path / "best.safetensors"):
        trained = load_network(path, registry)
        assert torch.equal(trained.network(images), network(images))
        assert (trained.config, trained.rehearsal) == (config, True)
        assert not trained.network.training


def test_a_map_of_other_channels_than_promised_is_the_plugins_mistake() -> None:
    assert map_size(features(nn.AvgPool2d((4, 2))), 16) == (4, 8)
    with pytest.raises(PluginError, match=r"promised a map \(B, 5, h, w\) and gave \(1, 3, 16, 16\)"):
        map_size(features(nn.Identity(), 5), 16)
    with pytest.raises(PluginError, match=r"gave \(1, 768\)"):
        map_size(features(nn.Flatten()), 16)


def test_the_hash_of_a_recipe_is_of_all_its_settings(recipe: Recipe) -> None:
    assert recipe_hash(recipe) == recipe_hash(changed(recipe, seed=recipe.seed))
    assert recipe_hash(recipe) != recipe_hash(changed(recipe, seed=8))


def test_depth_counts_the_own_parameters_of_each_module() -> None:
    assert stacked(2).depth("x").parameters == {"0": 8, "1": 4, "3": 6, "4": 4, "5": 6}


class Refused:
    """Files that are no weights of a run, by what is said of them."""

    @staticmethod
    def cut(file: Path) -> None:
        file.write_bytes(file.read_bytes()[:90])

    @staticmethod
    def anothers(file: Path) -> None:
        save_file(load_file(file), file)

    @staticmethod
    def unknown(file: Path) -> None:
        opened = open_tensors(file)
        tensors = opened.read()
        opened.about["network"]["backbone"]["use"] = "cnn9"
        save_tensors(file, tensors, opened.about)

    @staticmethod
    def damaged(file: Path) -> None:
        save_file(load_file(file), file, metadata={"cellcls": "{"})

    @staticmethod
    def nested(file: Path) -> None:
        save_file(load_file(file), file, metadata={"cellcls": "[" * 100_000})

    @staticmethod
    def no_object(file: Path) -> None:
        save_file(load_file(file), file, metadata={"cellcls": "[1]"})

    @staticmethod
    def classless(file: Path) -> None:
        opened = open_tensors(file)
        tensors = opened.read()
        del opened.about["network"]["classes"]
        save_tensors(file, tensors, opened.about)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (Refused.cut, "not a readable safetensors file"),
        (Refused.anothers, "weights that cellcls did not write"),
        (Refused.unknown, "its network cannot be built here"),
        (Refused.damaged, "its metadata are damaged"),
        (Refused.nested, "its metadata are damaged"),
        (Refused.no_object, "its metadata are damaged"),
        (Refused.classless, "weights.safetensors: .*`?classes`?"),
    ],
)
def test_what_is_no_run_of_these_plugins_is_refused(
    make_job: Callable[..., Job], config: NetworkConfig, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    job, file = make_job(out="another"), tmp_path / "weights.safetensors"
    save_weights(file, config.build(build_features(job.recipe, None)).state_dict(), job.recipe, config)
    spoil(file)
    with pytest.raises(DataError, match=said):
        load_network(file, job.registry)


def test_a_format_that_can_run_code_is_never_opened(tmp_path: Path, registry) -> None:
    (tmp_path / "model.pth").write_bytes(b"code")
    with pytest.raises(DataError, match=r"read from \.safetensors only"):
        load_network(tmp_path / "model.pth", registry)
    with pytest.raises(MissingInputError, match="no weights at"):
        load_network(tmp_path, registry)
