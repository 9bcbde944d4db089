"""Sources held in memory and networks worked out by hand, for tests of what the engine does with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellcls.api import Features, Input, Source
from cellcls.engine.device import Machine
from cellcls.engine.images import Images
from cellcls.engine.network import Network

CPU = Machine(device=torch.device("cpu"), precision="float32", threads=1)


class Held(Source):
    """A source of the images (N, H, W, 3) it is given; ``reads`` are the indices of each call."""

    def __init__(self, images: NDArray[np.uint8], labels: Any = None, classes: Sequence[str] = ("a", "b")) -> None:
        self.images = images
        self.labels = np.zeros(len(images), np.int64) if labels is None else np.asarray(labels, np.int64)
        self.class_names = tuple(classes)
        self.reads: list[list[int]] = []

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        self.reads.append(indices.tolist())
        return self.images[indices]


def noise(count: int, size: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    """Return images (N, S, S, 3) of independent pixels."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def images_of(source: Source, size: int = 8, interpolation: str = "bilinear") -> Images:
    return Images(source, Input(size=size, interpolation=interpolation), torch.device("cpu"))


class Channels(nn.Module):
    """Logits that anybody can work out: 10 times the mean of each channel, (B, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return 10 * images.mean((2, 3))


def stacked(channels: int = 4) -> Network:
    """Return a network of three convolutions with BatchNorm behind the first two, and a linear head of two classes."""
    layers = [nn.Conv2d(3, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()]
    layers += [nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 1)]
    features = Features(
        module=nn.Sequential(*layers),
        channels=channels,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        weighted=("0", "1", "3", "4", "5"),
        layers=("2", "5"),
    )
    return Network(features, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)))
