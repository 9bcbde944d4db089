"""Mixtures of images and their targets: mixup and CutMix, and the shares they are mixed in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_POINTS = 4097
"""Size of the table for reading quantiles."""


def beta_quantile(alpha: float) -> Callable[[Tensor], Tensor]:
    """Return the quantile function of Beta(``alpha``, ``alpha``): it maps draws in [0, 1) to shares in 0..1.

    Computed on the CPU in float64, so that equal draws give equal shares for every device. The density of the lower
    half is summed up over s, where x = s^(1/a) / 2 with a the smaller of ``alpha`` and 1: so it stays finite at 0.
    The upper half mirrors it.
    """
    power = min(alpha, 1.0)
    places = np.linspace(0.0, 1.0, _POINTS)
    shares = places ** (1 / power) / 2
    density = (1 - shares) ** (alpha - 1) * shares ** (alpha - power)
    steps = (density[1:] + density[:-1]) / 2
    below = np.concatenate([[0.0], np.cumsum(steps)])
    below *= 0.5 / below[-1]

    def quantile(draws: Tensor) -> Tensor:
        given = draws.detach().cpu().double().numpy()
        lower = np.interp(np.minimum(given, 1 - given), below, places) ** (1 / power) / 2
        return torch.from_numpy(np.where(given < 0.5, lower, 1 - lower)).to(draws.device, torch.float32)

    return quantile


def mixup(
    images: Tensor, partners: Tensor, targets: Tensor, partner_targets: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    """Return ``share`` (B,) of each image (B, 3, H, W) and target (B, K), and the rest of its partner's (Zhang et al.,
    mixup, ICLR 2018, equation 1)."""
    here, there = share[:, None, None, None], share[:, None]
    return partners + here * (images - partners), partner_targets + there * (targets - partner_targets)


def cutmix(
    images: Tensor, partners: Tensor, targets: Tensor, partner_targets: Tensor, share: Tensor, centre: Tensor
) -> tuple[Tensor, Tensor]:
    """Return images (B, 3, H, W) with a box of their partner's in them, and targets by area (Yun et al., CutMix, ICCV
    2019, equations 1 and 2).

    The box has sides of sqrt(1 - ``share``) (B,) times the image's, around ``centre`` (B, 2) in [0, 1): x and y. It is
    cut off at the edge, and the targets follow the area that is left.
    """
    height, width = images.shape[2:]
    sides = (1 - share).clamp_min(0).sqrt()[:, None]
    lengths = torch.tensor([width, height], device=images.device)
    half = (sides * lengths).floor().long() // 2  # as the paper's code: whole pixels to either side
    middle = (centre * lengths).floor().long()
    low, high = (middle - half).clamp_min(0), torch.minimum(middle + half, lengths)  # (B, 2)
    inside = _within(low[:, 1], high[:, 1], height)[:, :, None] & _within(low[:, 0], high[:, 0], width)[:, None, :]
    kept = (1 - (high - low).prod(1) / (height * width)).to(targets.dtype)[:, None]
    mixed = torch.where(inside[:, None], partners, images)
    return mixed, partner_targets + kept * (targets - partner_targets)


def _within(low: Tensor, high: Tensor, length: int) -> Tensor:
    """Return which of ``length`` indices are in [low, high), (B, length) bool."""
    places = torch.arange(length, device=low.device)
    return (places >= low[:, None]) & (places < high[:, None])
