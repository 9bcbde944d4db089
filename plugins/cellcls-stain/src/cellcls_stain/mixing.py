"""Images taken apart into stains and put together again: optical densities are sums over stains (Beer and Lambert).

All of it channel by channel and without matrix products, which autocast would round to bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cellcls.ops.imaging.stain import DARKEST


def optical_density(images: Tensor) -> Tensor:
    """Return minus the natural logarithm of the light let through, 0..5.5, of images in 0..1: as
    ``cellcls.ops.imaging.stain.optical_density``."""
    return -images.clamp(DARKEST, 1.0).log()


def unit_vectors(vectors: Sequence[Sequence[float]]) -> Tensor:
    """Return stains as unit vectors (S, 3)."""
    return normalize(torch.tensor(vectors, dtype=torch.float32), dim=1)


def mixing_matrix(vectors: Tensor) -> Tensor:
    """Return the matrices (..., 3, 3) whose rows are stains (..., 2, 3) and the unit vector that neither explains;
    three stains (..., 3, 3) are the matrix already."""
    if vectors.shape[-2] == 3:
        return vectors
    rest = normalize(torch.linalg.cross(vectors[..., 0, :], vectors[..., 1, :]), dim=-1)
    return torch.cat([vectors, rest[..., None, :]], dim=-2)


def inverse(matrix: Tensor) -> Tensor:
    """Return the inverses of matrices (..., 3, 3) by cross products, which every device and format knows."""
    first, second, third = matrix.unbind(-2)
    across = [torch.linalg.cross(*pair) for pair in ((second, third), (third, first), (first, second))]
    determinant: Tensor = (first * across[0]).sum(-1)
    return torch.stack(across, dim=-1) / determinant[..., None, None]


def combined(values: Tensor, matrix: Tensor) -> Tensor:
    """Return the sums over s of values (B, 3, ...) times matrix (3, 3) or (B, 3, 3) at [s, c], as (B, 3, ...)."""
    weights = matrix.view(-1, 3, 3, *(1 for _ in values.shape[2:]))
    first, second, third = (values[:, s : s + 1] * weights[:, s] for s in range(3))
    return first + second + third


def unmix(images: Tensor, unmixing: Tensor) -> Tensor:
    """Return how much of each stain every pixel holds (B, 3, H, W), of images (B, 3, H, W) in 0..1; ``unmixing``
    (3, 3) or (B, 3, 3): the inverse of the mixing matrix."""
    return combined(optical_density(images), unmixing)


def remix(stains: Tensor, matrix: Tensor) -> Tensor:
    """Return the images (B, 3, H, W) in 0..1 of stains (B, 3, H, W)."""
    return combined(stains, matrix).neg().exp().clamp(0.0, 1.0)
