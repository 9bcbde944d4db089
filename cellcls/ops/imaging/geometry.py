"""Geometric transforms as 3x3 matrices, and the warp that applies them.

A matrix maps output points to input points in normalised coordinates (-1..1 between the outer edges of the border
pixels, x to the right, y down), those of ``torch.nn.functional.grid_sample`` with ``align_corners=False``. Images are
square, so that rotations preserve angles.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Padding = Literal["reflection", "border", "zeros"]
"""Padding outside the image: reflection, replication of the border, or black."""


def flip(axis: Literal["horizontal", "vertical"], count: int) -> Tensor:
    """Return matrices (``count``, 3, 3) that flip left and right (``horizontal``) or top and bottom."""
    signs = (-1.0, 1.0, 1.0) if axis == "horizontal" else (1.0, -1.0, 1.0)
    return torch.diag(torch.tensor(signs)).repeat(count, 1, 1)


def rotation(degrees: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that rotate images by ``degrees`` (B,) counter-clockwise about the centre."""
    angle = torch.deg2rad(degrees)
    return _turned(angle.cos(), angle.sin())


def quarter_turns(turns: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that rotate images exactly by ``turns`` (B,) int64 times 90 degrees."""
    cosine = torch.tensor([1.0, 0.0, -1.0, 0.0], device=turns.device)[turns % 4]
    sine = torch.tensor([0.0, 1.0, 0.0, -1.0], device=turns.device)[turns % 4]
    return _turned(cosine, sine)


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that shift images right by ``x`` (B,) and down by ``y`` (B,), in image sides."""
    ones, zeros = torch.ones_like(x), torch.zeros_like(x)
    return _matrix((ones, zeros, -2 * x), (zeros, ones, -2 * y))


def zoom(scale: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that enlarge images by ``scale`` (B,) about the centre; below 1 they shrink."""
    side, zero = 1 / scale, torch.zeros_like(scale)
    return _matrix((side, zero, zero), (zero, side, zero))


def shear(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that shift rows by ``x`` (B,) and columns by ``y`` (B,) times their distance from the
    centre."""
    ones, zeros = torch.ones_like(x), torch.zeros_like(x)
    return _matrix((ones, -x, zeros), (-y, ones, zeros))


def crop(side: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return matrices (B, 3, 3) that crop a square and resize it to the full image.

    ``side`` (B,): side of the crop as a fraction of the image; ``x``, ``y`` (B,) in 0..1: its position, from the left
    (top) edge at 0 to the right (bottom) edge at 1.
    """
    room, zero = 1 - side, torch.zeros_like(side)
    return _matrix((side, zero, room * (2 * x - 1)), (zero, side, room * (2 * y - 1)))


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Return ``first`` @ ``second`` for small matrices (B, n, n); never in reduced precision, unlike ``matmul``."""
    return (first[:, :, :, None] * second[:, None, :, :]).sum(2)


def warp(images: Tensor, matrices: Tensor, padding: Padding = "reflection") -> Tensor:
    """Return images (B, C, H, W) warped by ``matrices`` (B, 3, 3) with bilinear interpolation."""
    height, width = images.shape[2:]
    x, y = (_centres(side, images.device) for side in (width, height))
    across = matrices[:, :2, 0, None] * x  # (B, 2, W)
    down = matrices[:, :2, 1, None] * y + matrices[:, :2, 2, None]  # (B, 2, H)
    grid = (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)  # on a CPU much faster than affine_grid
    return F.grid_sample(images, grid, mode="bilinear", padding_mode=padding, align_corners=False)


def _centres(side: int, device: torch.device) -> Tensor:
    """Return the coordinates (``side``,) of the pixel centres."""
    return (2 * torch.arange(side, device=device) + 1 - side) / side


def _turned(cosine: Tensor, sine: Tensor) -> Tensor:
    zero = torch.zeros_like(cosine)
    return _matrix((cosine, -sine, zero), (sine, cosine, zero))


def _matrix(*rows: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    zeros, ones = torch.zeros_like(rows[0][0]), torch.ones_like(rows[0][0])
    return torch.stack([torch.stack(row, dim=1) for row in (*rows, (zeros, zeros, ones))], dim=1)
