"""Builds timm's networks and loads their weights."""

from __future__ import annotations

import json
import re
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from cellcls.api import Features, WeightPlaces
from cellcls.builtin.backbones import pretrained
from cellcls.errors import DataError, RecipeError
from cellcls.ops.networks.timm_features import feature_map
from cellcls.ops.storage.weight_files import load_weights, read_weights

_KERAS_LAYERS = Path(__file__).with_name("keras_layers.json")


def build_features(name: str, *, size: int, drop_path: float, places: WeightPlaces | None) -> Features:
    """Build the backbone ``name``; ``places`` None keeps the random initialization."""
    model = create(name, size=size, drop_path=drop_path)
    found = feature_map(model, size=size, name=name)
    config: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    if places is not None:
        _load_pretrained(model, name, config, places)
    return Features(
        module=found.module,
        channels=found.channels,
        mean=_three(config["mean"]),
        std=_three(config["std"]),
        weighted=found.weighted,
        layers=found.layers,
        grid=found.grid,
        keras_nodes=json.loads(_KERAS_LAYERS.read_text(encoding="utf-8")).get(name.partition(".")[0]),
    )


def create(name: str, *, size: int, drop_path: float = 0.0) -> nn.Module:
    """Create timm's network ``name`` for ``size`` x ``size`` pixels. Raises ``RecipeError`` if timm refuses it."""
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        # also rejects timm's `hf-hub:` and `local-dir:`, which read files that a recipe must not name
        near = get_close_matches(architecture, timm.list_models(), n=3)
        hint = f"did you mean {' or '.join(f'`{other}`' for other in near)}?" if near else "list: timm.list_models()"
        raise RecipeError(f"timm has no model `{name}`", hint)
    options: dict[str, Any] = {"drop_path_rate": drop_path} if drop_path else {}
    try:
        config = timm.get_pretrained_cfg(name)
        if config is not None and config.fixed_input_size:
            options["img_size"] = size
        network: nn.Module = timm.create_model(name, num_classes=0, **options)
        return network
    except (RuntimeError, AssertionError, ValueError) as error:
        tags = [other for other in timm.list_pretrained(f"{architecture}*") if other.partition(".")[0] == architecture]
        raise RecipeError(
            f"timm cannot create `{name}`: {error}", f"its weights: {', '.join(tags) or 'none'}"
        ) from error
    except TypeError as error:
        refused = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if drop_path and refused and refused[1] == "drop_path_rate":
            raise RecipeError(f"timm's `{name}` has no residual branches to drop", "remove `drop_path`") from error
        raise


def _load_pretrained(model: nn.Module, name: str, config: dict[str, Any], places: WeightPlaces) -> None:
    full_name = f"{config['architecture']}.{config['tag']}" if config.get("tag") else name
    path = pretrained.in_directory(full_name, places.directory) or _from_hub(full_name, config, offline=places.offline)
    load_weights(model, _convert_checkpoint(model, read_weights(path), path), source=str(path))


def _from_hub(name: str, config: dict[str, Any], *, offline: bool) -> Path:
    repository, file = config.get("hf_hub_id"), config.get("hf_hub_filename") or "model.safetensors"
    if not repository or not file.endswith(".safetensors"):
        raise pretrained.missing(name, "timm offers none as safetensors")
    owner, _, hub_name = repository.partition("/")
    cached = pretrained.in_cache(hub_name, owner, file)
    return cached or pretrained.download(name, repository, file, offline=offline)


def _convert_checkpoint(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Convert tensors as timm does on loading: the network's own renaming, and resizing of position embeddings."""
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return tensors
    try:
        converted: dict[str, Tensor] = convert(tensors, model)
        return converted
    except Exception as error:  # fails in arbitrary ways on tensors of another network
        raise DataError(f"{path}: these are the weights of another network ({error})") from error


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)
