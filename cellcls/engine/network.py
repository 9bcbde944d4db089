"""The network of a run: images in 0..1 to logits; and the files its weights live in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import attrs
import numpy as np
import torch
from torch import Tensor, nn

from cellcls.api import Backbone, Features, Head, Input, WeightPlaces, changed
from cellcls.engine.damage import ways_out_told
from cellcls.errors import DataError, MissingInputError, PluginError
from cellcls.ops.networks.freezing import Depth
from cellcls.ops.networks.shapes import refuse_other_shapes, shapes_of
from cellcls.ops.statistics.features import FeatureModel
from cellcls.ops.storage.tensor_files import TensorFile, open_tensors, save_tensors
from cellcls.ops.storage.weight_files import load_weights
from cellcls.recipe import Freeze, Recipe, differences, dump, to_data
from cellcls.recipe.structure import INVALID, Structurer
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder, refuse_recipe
from cellcls.runs.records import (
    NetworkRecord,
    TrainingImagesRecord,
    WeightsRecord,
    file_data,
    from_data,
)

_KNOWN = "known_images."
"""Prefix of the tensors that are no weights but the model of known images."""
_MOST_SETTINGS = 1 << 14
"""Length of a network's settings as JSON, at most: so many layers can be built, if only to see that they do not fit."""


class Network(nn.Module):
    """Backbone and head behind one normalisation: (B, 3, S, S) in 0..1 to logits (B, K)."""

    mean: Tensor
    std: Tensor

    temperature: float
    """What logits are divided by, so that probabilities are calibrated."""
    known: FeatureModel | None
    """The features of known images, if other images are to be marked unknown."""

    def __init__(self, features: Features, head: nn.Module) -> None:
        super().__init__()
        self.temperature = 1.0
        self.known = None
        self.backbone = features.module
        self.head = head
        self.features = features
        self.register_buffer("mean", torch.tensor(features.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(features.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.logits_and_features(images)[0]

    def logits_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (B, K) and the map of features (B, C, h, w) that they come from."""
        found = self.backbone((images - self.mean) / self.std)
        logits = cast("Tensor", self.head(found))
        return (logits if self.temperature == 1.0 else logits / self.temperature), found

    def depth(self, name: str) -> Depth:
        """Return what freezing counts."""
        modules = dict(self.backbone.named_modules())
        own = {
            module: sum(parameter.numel() for parameter in modules[module].parameters(recurse=False))
            for module in self.features.weighted
        }
        nodes = self.features.keras_nodes
        return Depth(weighted=self.features.weighted, parameters=own, keras_nodes=nodes, model=name)


@attrs.frozen(kw_only=True)
class NetworkConfig:
    """All that is needed to build a network for its weights."""

    backbone: Backbone
    head: Head
    input: Input
    classes: tuple[str, ...]

    def build(self, features: Features, seed: int = 0) -> Network:
        """Build the network on a built backbone, on the CPU, in channels_last. Raises what the components raise."""
        height, width = map_size(features, self.input.size)
        torch.manual_seed(seed + 1)
        head = self.head.build(channels=features.channels, size=(height, width), num_classes=len(self.classes))
        return Network(features, head).to(memory_format=torch.channels_last)


def build_features(recipe: Recipe, weights: WeightPlaces | None) -> Features:
    """Build the backbone of a recipe; ``weights`` None leaves its random start.

    Raises ``MissingInputError`` with the ways out where wanted weights are not available.
    """
    torch.manual_seed(recipe.seed)
    try:
        return recipe.backbone.build(size=recipe.input.size, weights=weights)
    except MissingInputError as error:
        raise MissingInputError(error.message, *error.hints, *_ways_out(recipe)) from error


def _ways_out(recipe: Recipe) -> Iterator[str]:
    """Yield what this recipe makes of missing weights, beyond what the backbone says itself."""
    counted = [
        number
        for number, stage in enumerate(recipe.stages)
        if isinstance(stage.freeze, Freeze) and stage.freeze.keras_layers
    ]
    if counted:
        settings = " ".join(f"--set stages.{number}.freeze.fraction=0.37" for number in counted)
        yield f"(another backbone has no list of Keras layers: add {settings})"
    untrained = recipe.backbone.starting(pretrained=False)
    if untrained is not None and all(stage.freeze == "none" for stage in recipe.stages):
        changes = differences(recipe.backbone, untrained)
        settings = " ".join(f"--set backbone.{name}={value}" for name, value in changes.items())
        yield f"or train it from a random start, as no stage freezes anything: {settings}"


@torch.no_grad()
def map_size(features: Features, size: int) -> tuple[int, int]:
    """Return (h, w) of the backbone's map for inputs of ``size`` x ``size``. Raises ``PluginError``."""
    module = features.module.eval()
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    shape = tuple(module(torch.zeros(1, 3, size, size, device=device)).shape)
    if len(shape) != 4 or shape[1] != features.channels:
        raise PluginError(f"the backbone promised a map (B, {features.channels}, h, w) and gave {shape}")
    return shape[2], shape[3]


def network_config(recipe: Recipe, classes: tuple[str, ...]) -> NetworkConfig:
    """Return the recipe's part that the network is built from."""
    return NetworkConfig(backbone=recipe.backbone, head=recipe.head, input=recipe.input, classes=classes)


def recipe_hash(recipe: Recipe) -> str:
    """Return a hash of the filled recipe."""
    return hashlib.blake2b(dump(recipe).encode(), digest_size=16).hexdigest()


def save_weights(
    path: Path,
    state: Mapping[str, Tensor],
    recipe: Recipe,
    config: NetworkConfig,
    *,
    rehearsal: bool = False,
    training_images: TrainingImagesRecord | None = None,
    temperature: float = 1.0,
) -> None:
    """Write weights with all that ``load_network`` needs, as a whole or not at all. Raises ``WriteError``."""
    network = NetworkRecord(
        backbone=to_data(config.backbone),
        head=to_data(config.head),
        input=to_data(config.input),
        classes=config.classes,
        requires=recipe.requires,
    )
    record = WeightsRecord(
        recipe=recipe.name,
        recipe_hash=recipe_hash(recipe),
        network=network,
        rehearsal=rehearsal,
        training_images=training_images,
        temperature=temperature,
    )
    save_tensors(path, state, file_data(record))


@attrs.frozen(kw_only=True)
class Trained:
    """A network with the weights of a run."""

    network: Network
    config: NetworkConfig
    record: WeightsRecord

    @property
    def training_images(self) -> TrainingImagesRecord | None:
        """What the network was trained on looks like, None if it was not recorded."""
        return self.record.training_images

    def with_center_crop(self, pixels: int) -> Trained:
        """Return the network for images whose middle is cut out first, whatever its training did."""
        return attrs.evolve(
            self, config=attrs.evolve(self.config, input=changed(self.config.input, center_crop=pixels))
        )

    @property
    def rehearsal(self) -> bool:
        """Whether the weights come from a rehearsal and know nothing of cells."""
        return self.record.rehearsal


def load_network(path: Path, registry: Registry) -> Trained:
    """Build the network a weights file was saved from and load it, in eval mode.

    ``path``: a run folder (its best weights) or a ``.safetensors`` file that cellcls wrote. Raises
    ``MissingInputError`` and ``DataError``.
    """
    named = RunFolder(path).best if path.is_dir() else path
    with ways_out_told(named):
        file = _opened(named)
        record = from_data(file.about, WeightsRecord, file.path)
        config = _config(file.path, record.network, registry)
        network = _built(config, file)
        tensors = file.read()
    load_weights(network, tensors, source=str(file.path))
    network.temperature = record.temperature
    network.known = _known(file.path, tensors, network.features.channels)
    return Trained(network=network.eval(), config=config, record=record)


def _built(config: NetworkConfig, file: TensorFile) -> Network:
    """Build the network of a file, once it is known that the file has its tensors: what the settings ask for may be any
    number of gigabytes. Raises ``DataError``.

    The head is built for the map of the real backbone: convolutions on the meta device import torch's compiler.
    """

    def backbone() -> Features:
        return config.backbone.build(size=config.input.size, weights=None)

    _refuse_other(lambda: nn.ModuleDict({"backbone": backbone().module}), file)
    features = backbone()
    _refuse_other(lambda: config.build(features), file)
    return config.build(features)


def _refuse_other(build: Callable[[], nn.Module], file: TensorFile) -> None:
    wanted = shapes_of(build, str(file.path))
    if wanted is not None:
        refuse_other_shapes(wanted, file.shapes, source=str(file.path))


def _opened(file: Path) -> TensorFile:
    refuse_recipe(file)
    if not file.is_file():
        runs = ", ".join(child.path.name for child in RunFolder(file.parent).children())
        hint = f"it holds runs, name one of them: {runs}" if runs else "name a run whose training has ended an epoch"
        raise MissingInputError(f"no weights at {file}", hint)
    if file.suffix in (".pth", ".pt", ".ckpt", ".bin"):
        raise DataError(f"{file}: weights are read from .safetensors only, as other formats can run code when opened")
    return open_tensors(file)


def known_tensors(known: FeatureModel) -> dict[str, Tensor]:
    """Return the model of known images as tensors of a weights file."""
    return {f"{_KNOWN}{name}": torch.from_numpy(array) for name, array in attrs.asdict(known).items()}


def _known(file: Path, tensors: Mapping[str, Tensor], channels: int) -> FeatureModel | None:
    arrays = {
        name.removeprefix(_KNOWN): tensor.float().numpy() for name, tensor in tensors.items() if name.startswith(_KNOWN)
    }
    if not arrays:
        return None
    try:
        known = FeatureModel(**arrays)
        known.distance(np.zeros((1, channels), np.float32))
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: its model of known images is damaged: {error}") from error
    return known


def _config(file: Path, record: NetworkRecord, registry: Registry) -> NetworkConfig:
    if sum(len(json.dumps(part)) for part in (record.backbone, record.head, record.input)) > _MOST_SETTINGS:
        raise DataError(f"{file}: the settings of its network are longer than those of any network")
    structurer = Structurer(registry)
    parts = (("backbone", Backbone, record.backbone), ("head", Head, record.head), ("input", Input, record.input))
    made = {name: structurer.make(kind, data, (name,)) for name, kind, data in parts}
    if any(part is INVALID for part in made.values()):
        raise DataError(
            f"{file}: its network cannot be built here: {structurer.problems[0].message}",
            f"plugins its recipe requires: {', '.join(record.requires) or 'none named'}; "
            "installed ones: cellcls list-plugins",
        )
    return NetworkConfig(**made, classes=record.classes)
