"""Brightness and contrast as in Pillow's ``ImageEnhance``, and HSV saturation as in scikit-image."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.ops.imaging.colour import luma


def brightness(images: Tensor, factor: float) -> Tensor:
    """Return images (B, 3, H, W) times ``factor``, not clamped (``ImageEnhance.Brightness``)."""
    return images * factor


def contrast(images: Tensor, factor: float) -> Tensor:
    """Return images (B, 3, H, W) with their distance from their mean luma times ``factor``, not clamped
    (``ImageEnhance.Contrast``)."""
    mean = luma(images).mean((1, 2))[:, None, None, None]
    return mean + (images - mean) * factor


def saturate(images: Tensor, added: float) -> Tensor:
    """Return images (B, 3, H, W) in 0..1 with ``added`` added to their HSV saturation, up to 1.

    As published, a pixel without hue is treated as red, so that gray becomes slightly red.
    """
    value = images.amax(1, keepdim=True)
    below = value - images  # value * saturation * (0..1, by the hue)
    depth = below.amax(1, keepdim=True)
    saturation = torch.where(value > 0, depth / value.clamp_min(1e-6), 0)
    red = torch.tensor([0.0, 1.0, 1.0], device=images.device)[:, None, None]
    shape = torch.where(depth > 0, below / depth.clamp_min(1e-6), red)
    return value * (1 - (saturation + added).clamp(0, 1) * shape)
