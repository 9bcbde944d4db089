"""Occlusion of parts of the image. Each function takes images (B, 3, S, S), a strength and seeds."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.ops.imaging.corruptions.seeds import Seeds

_BOXES = 3


def boxes(images: Tensor, share: float, seeds: Seeds) -> Tensor:
    """Cover the image with three boxes of uniform colour, with sides of ``share`` / 2 to ``share`` of its side."""
    places = _places(images)
    changed = images
    for box in seeds.draw(_BOXES * 7).chunk(_BOXES, dim=1):
        sides = share * (0.5 + 0.5 * box[:, :2])
        start = box[:, 2:4] * (1 - sides)
        within = (places >= start[:, :, None]) & (places < (start + sides)[:, :, None])  # (B, 2, S): x, y
        hidden = (within[:, 1, :, None] & within[:, 0, None, :])[:, None]
        changed = torch.where(hidden, box[:, 4:, None, None], changed)
    return changed


def grid(images: Tensor, share: float, seeds: Seeds) -> Tensor:
    """Blacken a grid of squares: 4 to 8 per side, each ``share`` of its grid cell wide (GridMask, Chen et al. 2020)."""
    drawn = seeds.draw(3)
    count = 4 + (drawn[:, 0] * 5).floor()
    phase = (_places(images) * count[:, None, None] + drawn[:, 1:, None]) % 1  # (B, 2, S)
    within = phase < share
    return images * ~(within[:, 1, :, None] & within[:, 0, None, :])[:, None]


def _places(images: Tensor) -> Tensor:
    """Return the pixel centres along a side (S,) in 0..1."""
    return (torch.arange(images.shape[-1], device=images.device) + 0.5) / images.shape[-1]
