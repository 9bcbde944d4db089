"""A folder in timm's layout, opened by ``timm.create_model``: ``config.json``, ``model.safetensors``, a model card."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cellcls.engine.export.card import model_card
from cellcls.engine.export.subject import Agreement, Subject
from cellcls.errors import DataError, UsageError, WriteError
from cellcls.ops.storage.files import write_json, write_text

IMAGES = 64
"""Number of images the folder's network is tried on."""
TOLERANCE = 1e-5
"""Largest difference of a logit, relative to the largest logit where that is above 1."""

_POOLINGS: tuple[dict[str, Any], ...] = ({}, {"global_pool": "avg"}, {"global_pool": "avg", "fc_norm": False})
"""Settings of timm under which a classifier stands right behind the mean of the map: a convolutional network's
default, and two for transformers, whose default takes the class token or puts a norm behind the mean."""
_CROP_MODES = {"crop": "center", "stretch": "squash", "pad": "border"}
"""timm's names for how an image becomes square; its border is black, and it has no ``center_crop`` in pixels."""
_SUPPORTED = (
    "hub takes networks of timm whose classifier stands right behind the mean of the map (EfficientNet, ResNet, ViT, "
    "...), with `head.use = linear` and `pool = average`",
    "any network goes with --format codabench or --format onnx",
)


def write_hub(subject: Subject, out: Path) -> Agreement:
    """Write the folder; return how it agrees with the run. Raises ``DataError`` where it does not, and ``UsageError``
    for a network that timm's own is not equal to."""
    examples = subject.examples(IMAGES)
    images = (subject.prepared(examples) - subject.trained.network.mean) / subject.trained.network.std
    own = _logits(subject.trained.network.backbone, images, subject.trained.network.head)
    twin = _twin(subject, images, own)
    with _new_folder(out) as folder:
        save_file(
            {name: tensor.contiguous() for name, tensor in twin.model.state_dict().items()},
            folder / "model.safetensors",
        )
        write_json(folder / "config.json", _config(subject, twin))
        write_text(folder / "README.md", model_card(subject, architecture=twin.architecture))
        opened = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        found = _logits(opened, images)
        if not _close(found, own):
            raise DataError("timm opens the folder to another network than the run's; it was not written")
    return Agreement(
        images=len(images),
        images_of=examples.of,
        same_labels=int((found.argmax(1) == own.argmax(1)).sum()),
        max_difference=float((found - own).abs().max()),
        architecture=twin.architecture,
    )


@attrs.frozen(kw_only=True)
class _Twin:
    """timm's own network with the run's weights, and the settings it is made with."""

    model: nn.Module
    architecture: str
    settings: Mapping[str, Any]


def _twin(subject: Subject, images: Tensor, own: Tensor) -> _Twin:
    """Return timm's network that gives the run's logits ``own``. Raises ``UsageError`` where there is none."""
    backbone, head = subject.trained.network.backbone, subject.trained.network.head
    config = cast("dict[str, Any] | None", getattr(backbone, "pretrained_cfg", None))
    if not config or not timm.is_model(config.get("architecture", "")):
        raise UsageError("the run's backbone is no network of timm", *_SUPPORTED)
    dense = [module for module in head.modules() if list(module.parameters(recurse=False))]
    if len(dense) != 1 or not isinstance(dense[0], nn.Linear):
        raise UsageError(f"the run's head `{subject.trained.config.head.component_name}` is not linear", *_SUPPORTED)
    name = config.get("classifier")
    weights = {**backbone.state_dict(), f"{name}.weight": dense[0].weight, f"{name}.bias": dense[0].bias}
    sized = {"img_size": subject.size} if config.get("fixed_input_size") else {}
    for pooling in _POOLINGS:
        model = _loaded(config["architecture"], weights, {**sized, **pooling, "num_classes": len(subject.classes)})
        if model is not None and _close(_logits(model, images), own):
            return _Twin(model=model, architecture=config["architecture"], settings={**sized, **pooling})
    raise UsageError(
        f"timm's {config['architecture']} has more between its map and its classifier than the run's head", *_SUPPORTED
    )


def _loaded(architecture: str, weights: Mapping[str, Tensor], settings: dict[str, Any]) -> nn.Module | None:
    """Make timm's network with these weights, None where it does not know the settings or has other weights."""
    try:
        model: nn.Module = timm.create_model(architecture, **settings)
        model.load_state_dict(weights)
    except (TypeError, RuntimeError, AssertionError, ValueError):
        return None
    return model.eval()


def _logits(model: nn.Module, images: Tensor, head: nn.Module | None = None) -> Tensor:
    found: Tensor = torch.cat([head(model(part)) if head else model(part) for part in torch.split(images, 16)])
    return found


def _close(found: Tensor, own: Tensor) -> bool:
    if found.shape != own.shape:
        return False
    return float((found - own).abs().max()) <= TOLERANCE * max(1.0, float(own.abs().max()))


def _config(subject: Subject, twin: _Twin) -> dict[str, object]:
    """Return what timm reads: the architecture, and how images are to be prepared."""
    features, given = subject.trained.network.features, cast("Any", twin.model).pretrained_cfg
    how = subject.trained.config.input
    prepared = {
        "input_size": [3, subject.size, subject.size],
        "fixed_input_size": bool(given.get("fixed_input_size")),
        "interpolation": how.interpolation,
        "crop_pct": 1.0,
        "crop_mode": _CROP_MODES[how.fit],
        "mean": list(features.mean),
        "std": list(features.std),
        "num_classes": len(subject.classes),
        "first_conv": given.get("first_conv"),
        "classifier": given.get("classifier"),
        "tag": "cellcls",
    }
    return {
        "architecture": twin.architecture,
        "num_classes": len(subject.classes),
        "num_features": cast("Any", twin.model).num_features,
        **({"global_pool": twin.settings["global_pool"]} if "global_pool" in twin.settings else {}),
        "label_names": list(subject.classes),
        "model_args": dict(twin.settings),
        "pretrained_cfg": prepared,
    }


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Yield a folder beside ``path`` that takes its name at the end, and is removed when the block raises."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.cellcls-tmp")
    made = False
    try:
        temporary.mkdir(parents=True)
        made = True
        yield temporary
        temporary.rename(path)
    except OSError as error:
        raise WriteError(f"{path}: cannot write: {error.strerror or error}", "choose another --out") from error
    finally:
        if made:
            shutil.rmtree(temporary, ignore_errors=True)
