"""What a pretrained network sees in images: its features, for the audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from cellcls.api import Backbone, Features, Input, Source, WeightPlaces
from cellcls.engine.device import Machine
from cellcls.engine.images import Images
from cellcls.engine.network import map_size
from cellcls.errors import MissingInputError, UsageError
from cellcls.registry import Registry

_BATCH = 64


def named_backbone(name: str, registry: Registry) -> Backbone:
    """Return the backbone ``NAME`` or ``NAME:MODEL`` (``timm:resnet18.a1_in1k``), pretrained where it can be.

    Raises ``UsageError`` where no plugin offers it, or it takes no model or needs one.
    """
    use, _, model = name.partition(":")
    cls = cast("type[Backbone] | None", registry.find("backbone", use))
    if cls is None:
        raise UsageError(f"no backbone is called `{use}`", f"there are: {', '.join(registry.names('backbone'))}")
    if bool(model) != cls.takes_model:
        says = f"needs one: `{use}:MODEL`" if cls.takes_model else f"takes none: `{use}`"
        raise UsageError(f"backbone `{name}`: names a model wrongly", f"`{use}` {says}")
    backbone = cls.for_features(model)
    if backbone is None:
        raise UsageError(f"backbone `{use}` has no pretrained weights", "features of a random start say nothing")
    return backbone


def pretrained(backbone: Backbone, *, size: int, weights: WeightPlaces) -> Features:
    """Build ``backbone`` with its weights for images of ``size`` x ``size``.

    Raises ``MissingInputError`` where the weights are not available; the ways out are those of an audit, not of a run.
    """
    try:
        return backbone.build(size=size, weights=weights)
    except MissingInputError as error:
        hints = [hint for hint in error.hints if "--set" not in hint and "--rehearse" not in hint]
        raise MissingInputError(error.message, *hints, "or leave --features out: statistics need none") from error


@torch.inference_mode()
def image_features(
    features: Features, source: Source, machine: Machine, *, size: int, seen: Callable[[int], None] = lambda _: None
) -> NDArray[np.float32]:
    """Return the mean (N, C) of the backbone's map over each image of ``source``, brought to ``size`` x ``size``.

    ``seen`` is told after each batch how many images are done. Raises ``PluginError`` where the backbone gives no map
    of the channels it promised.
    """
    map_size(features, size)
    module = features.module.eval().to(machine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    mean, std = (torch.tensor(value, device=machine.device).view(1, 3, 1, 1) for value in (features.mean, features.std))
    images = Images(source, Input(size=size), machine.device)
    made = np.zeros((len(source), features.channels), dtype=np.float32)
    for start in range(0, len(source), _BATCH):
        indices = np.arange(start, min(start + _BATCH, len(source)))
        batch = ((images.take(indices) - mean) / std).to(memory_format=torch.channels_last)
        made[indices] = module(batch).mean(dim=(2, 3)).float().cpu().numpy()
        seen(start + len(indices))
    return made
