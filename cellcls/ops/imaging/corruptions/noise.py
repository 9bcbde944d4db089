"""Pixel noise. Each function takes images (B, 3, H, W) in 0..1, a strength and seeds."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.ops.imaging.corruptions.seeds import Seeds


def gaussian_noise(images: Tensor, sigma: float, seeds: Seeds) -> Tensor:
    """Add noise of standard deviation ``sigma``."""
    return images + sigma * seeds.normal(images[0].numel()).view_as(images)


def shot_noise(images: Tensor, photons: float, seeds: Seeds) -> Tensor:
    """Add the noise of counting ``photons`` at white: variance x / photons, in the Gaussian limit of Poisson noise."""
    return images + (images / photons).sqrt() * seeds.normal(images[0].numel()).view_as(images)


def salt_and_pepper(images: Tensor, share: float, seeds: Seeds) -> Tensor:
    """Set ``share`` of the pixels to white or black with equal probability."""
    drawn = seeds.draw(images[0, 0].numel()).view_as(images[:, :1])
    salted = torch.where(drawn < share / 2, 1.0, images)
    return torch.where(drawn > 1 - share / 2, 0.0, salted)
