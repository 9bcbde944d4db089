"""The modules of the heads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn


def mlp(
    channels: int,
    size: tuple[int, int],
    num_classes: int,
    *,
    hidden: tuple[int, ...],
    pool: Literal["average", "flatten"],
    dropout: float,
) -> nn.Sequential:
    """Return pooling and ``len(hidden) + 1`` dense layers."""
    pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()] if pool == "average" else [nn.Flatten()]
    features = channels if pool == "average" else channels * size[0] * size[1]
    return nn.Sequential(*pooling, *_dense((features, *hidden), num_classes, dropout))


def inception(channels: int, num_classes: int, *, hidden: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Return an Inception block, average pooling and ``len(hidden) + 1`` dense layers."""
    block = InceptionBlock(channels)
    dense = _dense((block.channels, *hidden), num_classes, dropout)
    return nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *dense)


class InceptionBlock(nn.Module):
    """A map (B, C, h, w) to (B, 192, h, w): four branches side by side."""

    channels = 64 + 64 + 32 + 32

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch1 = nn.Sequential(*_conv(channels, 64, 1))
        self.branch3 = nn.Sequential(*_conv(channels, 48, 1), *_conv(48, 64, 3))
        self.branch5 = nn.Sequential(*_conv(channels, 16, 1), *_conv(16, 32, 5))
        self.pooled = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_conv(channels, 32, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated maps of the branches."""
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.pooled(x)], dim=1)


def _conv(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), nn.ReLU(inplace=True)


def _dense(widths: tuple[int, ...], num_classes: int, dropout: float) -> Iterator[nn.Module]:
    for inputs, outputs in pairwise(widths):
        yield from (nn.Dropout(dropout), nn.Linear(inputs, outputs), nn.ReLU(inplace=True))
    yield from (nn.Dropout(dropout), nn.Linear(widths[-1], num_classes))
