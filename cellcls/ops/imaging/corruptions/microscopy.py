"""Artefacts on a slide: stain deposits and air bubbles, after MedMNIST-C. Lengths refer to 224 px and scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cellcls.ops.imaging.corruptions.blur import REFERENCE

_WAVES = 12
_ANGLES = 256
_MARGIN = 10
_MIN_BUBBLES, _MIN_RADIUS = 7, 3
_INSIDE, _RIM = 0.5, 2.5  # added to the radius: Pillow's circle of radius r is 2 r + 1 pixels wide, the rim 2 more
_RIM_ALPHA, _BUBBLE_ALPHA = 130 / 255, 100 / 255


def deposit_draws(marks: int) -> int:
    """Return the number of draws that ``stain_deposits`` needs."""
    return 1 + marks * (2 + 2 * _WAVES)


def stain_deposits(images: Tensor, marks: int, side: float, draws: Tensor) -> Tensor:
    """Return images (B, 3, S, S) with 1 to ``marks`` black deposits each, about ``side`` pixels wide at 224 px.

    ``draws`` (B, ``deposit_draws(marks)``). MedMNIST-C pastes one of ten drawn marks of 24 or 32 px, which fill 0.6 of
    their bounding square; here a mark is a disk of that area with a wavy edge, different for each image.
    """
    scale = images.shape[-1] / REFERENCE
    count = 1 + (draws[:, 0] * marks).long()
    changed = images
    for number, mark in enumerate(draws[:, 1:].chunk(marks, dim=1)):
        centre = (_MARGIN + side / 2 + mark[:, :2] * (REFERENCE - side - 2 * _MARGIN)) * scale
        x, y = _offsets(centre, images)
        radius = _wavering(mark[:, 2 : 2 + _WAVES], mark[:, 2 + _WAVES :]) * (side * scale * math.sqrt(0.6 / math.pi))
        angle = ((torch.atan2(y, x) / (2 * math.pi) + 0.5) * _ANGLES).long().clamp_max(_ANGLES - 1)
        edge = radius.gather(1, angle.flatten(1)).view_as(angle)
        covered = (edge - torch.hypot(x, y) + 0.5).clamp(0, 1) * (number < count)[:, None, None]
        changed = changed * (1 - covered[:, None])
    return changed


def bubble_draws(most: int) -> int:
    """Return the number of draws that ``bubbles`` needs."""
    return 1 + 3 * most


def bubbles(images: Tensor, largest: int, most: int, draws: Tensor) -> Tensor:
    """Return images (B, 3, S, S) under 7 to ``most`` whitish bubbles with brighter rims, 3 to ``largest`` px in radius.

    ``draws`` (B, ``bubble_draws(most)``). As published, a bubble replaces what it covers of earlier ones.
    """
    scale = images.shape[-1] / REFERENCE
    count = _MIN_BUBBLES + (draws[:, 0] * (most - _MIN_BUBBLES + 1)).long()
    white = torch.zeros_like(images[:, 0])
    for number, bubble in enumerate(draws[:, 1:].chunk(most, dim=1)):
        radius = _MIN_RADIUS + (bubble[:, 0] * (largest - _MIN_RADIUS + 1)).floor()
        x, y = _offsets((radius[:, None] + bubble[:, 1:] * (REFERENCE - 2 * radius[:, None])) * scale, images)
        distance, shown = torch.hypot(x, y), (number < count)[:, None, None]
        for reach, alpha in ((radius + _RIM, _RIM_ALPHA), (radius + _INSIDE, _BUBBLE_ALPHA)):
            covered = ((reach * scale)[:, None, None] - distance + 0.5).clamp(0, 1) * shown
            white = white.lerp(torch.full_like(white, alpha), covered)
    return images.lerp(torch.ones_like(images), white[:, None])


def _offsets(centre: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the offsets x, y (B, S, S) of each pixel from ``centre`` (B, 2), in pixels."""
    places = torch.arange(images.shape[-1], device=images.device) + 0.5
    x, y = places - centre[:, :1], places - centre[:, 1:]
    shape = (len(centre), len(places), len(places))
    return x[:, None, :].expand(shape), y[:, :, None].expand(shape)


def _wavering(strength: Tensor, phase: Tensor) -> Tensor:
    """Return radii (B, angles) around 1: a sum of waves, each with a strength and a phase (B, waves) in 0..1."""
    waves = torch.arange(2, 2 + _WAVES, device=phase.device)
    angles = torch.arange(_ANGLES, device=phase.device) * (2 * math.pi / _ANGLES)
    wave = torch.cos(waves[:, None] * angles + 2 * math.pi * phase[:, :, None])  # (B, waves, angles)
    return 1 + (wave * (0.5 * strength / waves)[:, :, None]).sum(1)
