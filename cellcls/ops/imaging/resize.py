"""Loss of resolution: down by a scale of its own for each image and back up to the old size."""

from __future__ import annotations

import torch
from torch import Tensor


def lose_resolution(images: Tensor, scale: Tensor) -> Tensor:
    """Shrink square images (B, C, S, S) to round(S * ``scale``) pixels and enlarge them again.

    ``scale`` (B,) in (0, 1]. Down with antialiasing, up with bilinear interpolation, both as
    ``torch.nn.functional.interpolate``. Both are linear along each axis, so one S x S matrix an image does it, and
    images of different scales stay one batch.
    """
    size = images.shape[-1]
    small = (size * scale).round().clamp(1, size)
    matrix = (_enlarging(size, small) @ _shrinking(size, small)).to(images.device)  # (B, S, S)
    rows = images.flatten(1, 2) @ matrix.transpose(1, 2)  # along x
    return matrix[:, None] @ rows.view_as(images)  # along y


def _shrinking(size: int, small: Tensor) -> Tensor:
    """Return matrices (B, S, S) whose first ``small`` (B,) rows shrink S values with a triangle filter."""
    position = torch.arange(size, device=small.device) + 0.5
    factor = (size / small)[:, None, None]
    distance = (position - position[:, None] * factor) / factor
    weights = (1 - distance.abs()).clamp_min(0)
    inside = position[:, None] < small[:, None, None]
    return weights * inside / weights.sum(2, keepdim=True).clamp_min(1e-6)


def _enlarging(size: int, small: Tensor) -> Tensor:
    """Return matrices (B, S, S) that enlarge the first ``small`` (B,) of S values to S with linear interpolation."""
    position = torch.arange(size, device=small.device)
    source = (position + 0.5) * (small[:, None] / size) - 0.5  # (B, S)
    source = torch.minimum(source.clamp_min(0), small[:, None] - 1)
    return (1 - (source[:, :, None] - position).abs()).clamp_min(0)
