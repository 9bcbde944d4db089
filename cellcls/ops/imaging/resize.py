"""Loss of resolution: downsampling by a separate scale per image, and upsampling to the original size."""

from __future__ import annotations

import torch
from torch import Tensor


def lose_resolution(images: Tensor, scale: Tensor) -> Tensor:
    """Downsample square images (B, C, S, S) to round(S * ``scale``) pixels and upsample them again.

    ``scale`` (B,) in (0, 1]. Both steps are bilinear as in ``torch.nn.functional.interpolate``, downsampling with
    antialiasing. They are linear and separable, so that an S x S matrix per image does both, and images with different
    scales remain one batch.
    """
    size = images.shape[-1]
    small = (size * scale).round().clamp(1, size)
    matrix = (_enlarging(size, small) @ _shrinking(size, small)).to(images.device)  # (B, S, S)
    rows = images.flatten(1, 2) @ matrix.transpose(1, 2)  # along x
    return matrix[:, None] @ rows.view_as(images)  # along y


def _shrinking(size: int, small: Tensor) -> Tensor:
    """Return matrices (B, S, S) whose first ``small`` (B,) rows downsample S values with a triangle filter."""
    position = torch.arange(size, device=small.device) + 0.5
    factor = (size / small)[:, None, None]
    distance = (position - position[:, None] * factor) / factor
    weights = (1 - distance.abs()).clamp_min(0)
    inside = position[:, None] < small[:, None, None]
    return weights * inside / weights.sum(2, keepdim=True).clamp_min(1e-6)


def _enlarging(size: int, small: Tensor) -> Tensor:
    """Return matrices (B, S, S) that upsample the first ``small`` (B,) of S values to S with linear interpolation."""
    position = torch.arange(size, device=small.device)
    source = (position + 0.5) * (small[:, None] / size) - 0.5  # (B, S)
    source = torch.minimum(source.clamp_min(0), small[:, None] - 1)
    return (1 - (source[:, :, None] - position).abs()).clamp_min(0)
