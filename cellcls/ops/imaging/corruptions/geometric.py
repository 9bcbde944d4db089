"""Geometric corruptions, padded with black. Each function takes images (B, 3, S, S), a strength and seeds."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cellcls.ops.imaging import geometry
from cellcls.ops.imaging.corruptions.seeds import Seeds
from cellcls.ops.imaging.corruptions.tones import either_way


def rotate(images: Tensor, degrees: float, seeds: Seeds) -> Tensor:
    """Rotate by ``degrees`` in either direction."""
    return geometry.warp(images, geometry.rotation(either_way(degrees, seeds.draw(1)[:, 0])), "zeros")


def shear(images: Tensor, slope: float, seeds: Seeds) -> Tensor:
    """Shear along x or y by ``slope`` in either direction."""
    drawn = seeds.draw(2)
    matrices = _identity(images)
    along_x, slopes = drawn[:, 0] < 0.5, either_way(slope, drawn[:, 1])
    matrices[:, 0, 1] = slopes * along_x
    matrices[:, 1, 0] = slopes * ~along_x
    return geometry.warp(images, matrices, "zeros")


def translate(images: Tensor, share: float, seeds: Seeds) -> Tensor:
    """Shift by ``share`` of the side, in any direction."""
    x, y = _direction(seeds)
    return geometry.warp(images, geometry.translation(share * x, share * y), "zeros")


def zoom(images: Tensor, factor: float, seeds: Seeds) -> Tensor:
    """Zoom in or out by ``factor`` about the centre."""
    side = torch.where(seeds.draw(1)[:, 0] < 0.5, factor, 1 / factor)
    half = torch.full_like(side, 0.5)
    return geometry.warp(images, geometry.crop(side, half, half), "zeros")


def perspective(images: Tensor, tilt: float, seeds: Seeds) -> Tensor:
    """Tilt the image by ``tilt`` (below 0.7) in any direction: a point p comes from p / (1 + tilt * p)."""
    tilts = tilt * torch.stack(_direction(seeds), dim=1)
    grid = F.affine_grid(_identity(images)[:, :2], list(images.shape), align_corners=False)  # (B, S, S, 2)
    depth = 1 + (grid * tilts[:, None, None]).sum(-1, keepdim=True)
    return F.grid_sample(images, grid / depth, mode="bilinear", padding_mode="zeros", align_corners=False)


def _identity(images: Tensor) -> Tensor:
    return torch.eye(3, device=images.device).repeat(len(images), 1, 1)


def _direction(seeds: Seeds) -> tuple[Tensor, Tensor]:
    angle = 2 * math.pi * seeds.draw(1)[:, 0]
    return angle.cos(), angle.sin()
