"""Hiding a rectangle of an image."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def erase(images: Tensor, area: Tensor, aspect: Tensor, place: Tensor, fill: Tensor) -> Tensor:
    """Return images (B, 3, S, S) with a rectangle replaced by one colour.

    ``area`` (B,): its share of the image's area; ``aspect`` (B,): width over height, as far as it fits in; ``place``
    (B, 2) in 0..1: x and y, from the left (top) edge at 0 to the right (bottom) edge at 1; ``fill`` (B, 3): the colour.
    """
    sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).clamp_max(1.0)
    start = place * (1 - sides)
    size = images.shape[-1]
    centres = (torch.arange(size, device=images.device) + 0.5) / size
    within = (centres >= start[:, :, None]) & (centres < (start + sides)[:, :, None])  # (B, 2, S): x, y
    hidden = (within[:, 1, :, None] & within[:, 0, None, :])[:, None]
    return torch.where(hidden, fill[:, :, None, None], images)


def aspects(draws: Tensor, most: float) -> Tensor:
    """Return ratios of the sides from 1 / ``most`` to ``most`` for draws (B,) in [0, 1), uniform in their logarithm."""
    return ((2 * draws - 1) * math.log(most)).exp()
