"""Smooth random fields over an image: the shape of light, fog and distortions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cellcls.ops.imaging.corruptions.seeds import Seeds


def field(seeds: Seeds, cells: int, size: int, channels: int = 1) -> Tensor:
    """Return fields (B, ``channels``, S, S): normal draws on ``cells`` x ``cells`` knots, bicubic between them.

    The knots fill the image at any ``size``, so the shape of a field does not depend on it.
    """
    knots = seeds.normal(channels * cells**2).view(-1, channels, cells, cells)
    return knots if cells == size else _smooth(knots, size)


def plasma(seeds: Seeds, size: int, octaves: int = 4) -> Tensor:
    """Return clouds (B, 1, S, S) in 0..1: fields of 2, 4, 8... knots, each half as strong as the one before."""
    total = field(seeds.child(0), 2, 2)
    for octave in range(1, octaves):
        cells = 2 ** (octave + 1)
        total = _smooth(total, cells) + 0.5**octave * field(seeds.child(octave), cells, cells)
    return torch.sigmoid(1.5 * _smooth(total, size))


def positions(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the positions x (1, 1, S) and y (1, S, 1) of the pixels of images (B, 3, S, S), from -1 to 1."""
    size = images.shape[-1]
    places = (2 * torch.arange(size, device=images.device) + 1) / size - 1
    return places[None, None, :], places[None, :, None]


def _smooth(knots: Tensor, size: int) -> Tensor:
    return F.interpolate(knots, size=(size, size), mode="bicubic", align_corners=False)
