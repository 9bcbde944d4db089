"""Images taken apart into stains and put together again: optical densities are sums over stains (Beer and Lambert)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_DARKEST = 1e-6
"""Light is counted from here, as in scikit-image."""


def mixing_matrix(vectors: Sequence[Sequence[float]]) -> Tensor:
    """Return the matrix (3, 3) whose rows are the unit vectors of two stains and of what neither explains."""
    stains = torch.nn.functional.normalize(torch.tensor(vectors, dtype=torch.float32), dim=1)
    if len(stains) == 2:
        rest = torch.nn.functional.normalize(torch.linalg.cross(stains[0], stains[1]), dim=0)
        stains = torch.cat([stains, rest[None]])
    return stains


def unmix(images: Tensor, matrix: Tensor) -> Tensor:
    """Return how much of each stain every pixel holds (B, 3, H, W), of images (B, 3, H, W) in 0..1."""
    density = -images.clamp(_DARKEST, 1).log()
    return torch.einsum("bchw,cs->bshw", density, torch.linalg.inv(matrix))


def remix(stains: Tensor, matrix: Tensor) -> Tensor:
    """Return the images (B, 3, H, W) in 0..1 of stains (B, 3, H, W)."""
    return torch.einsum("bshw,sc->bchw", stains, matrix).neg().exp().clamp(0, 1)
