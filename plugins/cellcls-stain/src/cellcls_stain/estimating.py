"""The stains of each image of a batch, on its device: what ``cellcls.ops.imaging.stain`` does for a whole set.

The plane of most variance comes without an eigenvalue solver, which neither ONNX nor every device has, and percentiles
come from a sort. No gradient goes through an estimate: it is taken as given.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from cellcls.ops.imaging.stain import AMOUNT_QUANTILE, ANGLE_QUANTILE, MIN_PIXELS, STAINED

APART = 0.01
"""Squared sine of the least angle between two stains that can be told apart: six degrees."""
_SQUARINGS = 12


def estimated(density: Tensor, otherwise: Tensor) -> Tensor:
    """Return the two stains of each image by Macenko et al. (2009): unit vectors (B, 2, 3), the one that takes more red
    first, of densities (B, 3, H, W).

    ``otherwise`` (2, 3) stands where there are fewer than 50 stained pixels, or stains less than six degrees apart.
    """
    pixels = density.detach().flatten(2)
    inside = (pixels > STAINED).any(1)
    middle, across = _plane(pixels * inside[:, None])
    angles = torch.atan2((pixels * across[:, :, None]).sum(1), (pixels * middle[:, :, None]).sum(1))
    found = []
    for share in (ANGLE_QUANTILE, 1 - ANGLE_QUANTILE):
        angle = percentile(angles, inside, share)[:, None]
        found.append(normalize((middle * angle.cos() + across * angle.sin()).clamp(min=0.0), dim=1))
    vectors = torch.stack(found, dim=1)
    vectors = torch.where((vectors[:, 0, 0] < vectors[:, 1, 0])[:, None, None], vectors.flip(1), vectors)
    apart = torch.linalg.cross(vectors[:, 0], vectors[:, 1]).square().sum(1) > APART
    good = apart & (inside.sum(1) >= MIN_PIXELS)
    return torch.where(good[:, None, None], vectors, otherwise)


def full_amounts(amounts: Tensor, otherwise: Tensor) -> Tensor:
    """Return how much of the first two stains each image holds at most (B, 2), of ``amounts`` (B, 3, H, W), as
    ``cellcls.ops.imaging.stain.stain_amounts`` counts it; ``otherwise`` (2,) where an image hardly has a stain."""
    first, second = amounts.detach().flatten(2)[:, :2].unbind(1)
    found = []
    for own, other, instead in ((first, second, otherwise[0]), (second, first, otherwise[1])):
        most = (own >= other) & (own > STAINED)
        found.append(torch.where(most.sum(1) >= MIN_PIXELS, percentile(own, most, AMOUNT_QUANTILE), instead))
    return torch.stack(found, dim=1)


def percentile(values: Tensor, inside: Tensor, share: float) -> Tensor:
    """Return the quantile ``share`` (B,) of those of ``values`` (B, P) that are ``inside``, interpolated linearly as
    NumPy does; 0 where none is."""
    ordered = values.masked_fill(~inside, torch.inf).sort(dim=1).values
    last = inside.sum(1, keepdim=True).float() - 1
    place = (share * last).clamp(min=0.0)
    below = ordered.gather(1, place.floor().long())
    above = ordered.gather(1, place.ceil().long())
    between = torch.lerp(below, above, (place - place.floor()).to(values))
    return torch.where(last < 0, 0, between)[:, 0]


def _plane(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return two unit vectors (B, 3) at right angles in the plane of most variance of pixels (B, 3, P): the direction
    of the mean, and the one across it."""
    scatter = (pixels[:, :, None] * pixels[:, None]).mean(-1)
    normal = _strongest(_adjugate(scatter))
    mean = pixels.mean(-1)
    middle = normalize(mean - normal * (normal * mean).sum(1, keepdim=True), dim=1)
    return middle, torch.linalg.cross(normal, middle)


def _adjugate(matrix: Tensor) -> Tensor:
    """Return for symmetric matrices (B, 3, 3) those whose strongest direction is the weakest of theirs."""
    first, second, third = matrix.unbind(1)
    pairs = ((second, third), (third, first), (first, second))
    return torch.stack([torch.linalg.cross(*pair) for pair in pairs], dim=1)


def _strongest(matrix: Tensor) -> Tensor:
    """Return the eigenvector (B, 3) of the largest eigenvalue of symmetric matrices (B, 3, 3), none of which is
    negative: a column of a high power of the matrix."""
    for _ in range(_SQUARINGS):
        matrix = matrix / matrix.diagonal(dim1=1, dim2=2).sum(1).clamp(min=1e-30)[:, None, None]
        matrix = (matrix[:, :, :, None] * matrix[:, None]).sum(2)
    longest = matrix.diagonal(dim1=1, dim2=2).argmax(1)[:, None, None].expand(-1, 3, 1)
    return normalize(matrix.gather(2, longest)[:, :, 0], dim=1)
