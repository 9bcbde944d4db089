"""The operations that RandAugment and TrivialAugment choose from, each with a separate magnitude per image.

Those and their ranges are TrivialAugment's wide space (Müller and Hutter, ICCV 2021, table 5), where shifts and shears
are shares of the side; ``blur``, ``noise``, ``zoom``, ``gamma`` and ``channel_gains`` are added for microscopes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from cellcls.ops.imaging import colour, geometry
from cellcls.ops.imaging.corruptions import tones
from cellcls.ops.imaging.corruptions.seeds import DRAWS, Seeds
from cellcls.ops.imaging.filters import gaussian_blur
from cellcls.ops.imaging.geometry import Padding, warp

Change: TypeAlias = "Callable[[Tensor, Tensor, Tensor], Tensor]"
"""Maps images (B, 3, S, S) in 0..1, magnitudes (B,) in -1..1 and draws (B, 2) to new images, not clamped."""

CHOICES = 3 + DRAWS
"""Draws of one choice: the operation, its magnitude, its direction, and what seeds noise."""


def _warped(matrix: Callable[[Tensor], Tensor], padding: Padding = "reflection") -> Change:
    return lambda images, strength, _: warp(images, matrix(strength).to(images), padding)


def _recoloured(matrix: Callable[[Tensor], Tensor]) -> Change:
    return lambda images, strength, _: colour.recolour(images, matrix(strength).to(images))


def _shear(strength: Tensor, across: float, down: float) -> Tensor:
    return geometry.shear(across * strength, down * strength)


def _shift(strength: Tensor, across: float, down: float) -> Tensor:
    return geometry.translation(across * strength, down * strength)


def _each(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images)[:, None, None, None]


def _posterize(images: Tensor, strength: Tensor, _draws: Tensor) -> Tensor:
    """Keep 8 to 2 bits."""
    levels = 2 ** _each((8 - 6 * strength.abs()).round(), images)
    return (images * 255 / 256 * levels).floor() / levels * 256 / 255


def _solarize(images: Tensor, strength: Tensor, _draws: Tensor) -> Tensor:
    """Invert values from 256 times 1 minus the magnitude on, of 0..255."""
    return torch.where(images * 255 >= _each(256 * (1 - strength.abs()), images), 1 - images, images)


def _sharpness(images: Tensor, strength: Tensor, _draws: Tensor) -> Tensor:
    """Blend with the image smoothed as in Pillow's ``ImageEnhance.Sharpness``: 0 smooth, 1 as it is, 2 sharpened."""
    kernel = torch.full((3, 1, 3, 3), 1 / 13, device=images.device)
    kernel[:, :, 1, 1] = 5 / 13
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, kernel, groups=3)
    return smooth + (images - smooth) * _each(1 + 0.99 * strength, images)


def _blur(images: Tensor, strength: Tensor, _draws: Tensor) -> Tensor:
    """Blur with a kernel of 1 to 9 pixels."""
    return gaussian_blur(images, 1 + 2 * (4 * strength.abs()).round().long(), 9)


def _noise(images: Tensor, strength: Tensor, draws: Tensor) -> Tensor:
    """Add noise of standard deviation 0 to 0.2."""
    return images + _each(0.2 * strength.abs(), images) * Seeds.of(draws).normal(images[0].numel()).view_as(images)


def _gamma(images: Tensor, strength: Tensor, _draws: Tensor) -> Tensor:
    return colour.gamma(images, (math.log(2.5) * strength).exp().to(images))


def _gains(images: Tensor, strength: Tensor, draws: Tensor) -> Tensor:
    """Multiply red and blue against each other, as a warmer or colder lamp does, and green at random."""
    factors = torch.stack([strength, strength.abs() * (2 * draws[:, 0] - 1), -strength], dim=1)
    return colour.recolour(images, colour.channel_gains((0.3 * factors).exp()).to(images))


OPERATIONS: dict[str, Change] = {
    "identity": lambda images, _strength, _draws: images,
    "shear_x": _warped(lambda strength: _shear(strength, 0.5, 0)),
    "shear_y": _warped(lambda strength: _shear(strength, 0, 0.5)),
    "translate_x": _warped(lambda strength: _shift(strength, 0.33, 0)),
    "translate_y": _warped(lambda strength: _shift(strength, 0, 0.33)),
    "rotate": _warped(lambda strength: geometry.rotation(135 * strength)),
    "zoom": _warped(lambda strength: geometry.zoom((math.log(2) * strength).exp())),
    "brightness": _recoloured(lambda strength: colour.brightness(1 + 0.99 * strength)),
    "contrast": _recoloured(lambda strength: colour.contrast(1 + 0.99 * strength)),
    "saturation": _recoloured(lambda strength: colour.saturation(1 + 0.99 * strength)),
    "channel_gains": _gains,
    "gamma": _gamma,
    "sharpness": _sharpness,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": lambda images, _strength, draws: tones.autocontrast(images, 1.0, Seeds.of(draws)),
    "equalize": lambda images, _strength, draws: tones.equalize(images, 1.0, Seeds.of(draws)),
    "blur": _blur,
    "noise": _noise,
}
"""By name; ``identity`` is one of them, as in both papers."""


def change(images: Tensor, names: Sequence[str], draws: Tensor, magnitude: Tensor) -> Tensor:
    """Return images (B, 3, S, S) in 0..1, each changed by one of the operations ``names``, each as likely.

    ``draws`` (B, ``CHOICES``) in [0, 1); ``magnitude`` (B,) in 0..1. Images of one operation are changed together.
    """
    chosen = (draws[:, 0] * len(names)).long()
    strength = magnitude * torch.where(draws[:, 2] < 0.5, -1.0, 1.0)
    changed = images.clone()
    for number, name in enumerate(names):
        rows = (chosen == number).nonzero()[:, 0]
        if len(rows):
            changed[rows] = OPERATIONS[name](images[rows], strength[rows], draws[rows, 3:]).clamp(0, 1)
    return changed
