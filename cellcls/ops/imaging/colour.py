"""Affine colour transforms as 3x4 matrices on RGB in 0..1: a 3x3 matrix and, in the last column, an offset.

Hue and saturation act on the chroma of YIQ (with ITU-R BT.601 luma), where both are linear, so that any number of
transforms compose to one matrix. They preserve gray and luma.
"""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G, B in luma (ITU-R BT.601)."""

_TO_YIQ = torch.tensor([LUMA, (0.59590059, -0.27455667, -0.32134392), (0.21153661, -0.52273617, 0.31119955)])
_FROM_YIQ = torch.linalg.inv(_TO_YIQ.double())
_GRAY = torch.tensor([LUMA] * 3)  # colour to its gray
_CHROMA = torch.eye(3) - _GRAY  # colour to the remainder
_TURN = torch.tensor([(0.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)])
_CHROMA_TURNED = (_FROM_YIQ @ _TURN.double() @ _TO_YIQ.double()).float()  # the same, rotated by a quarter turn


def from_uint8(images: Tensor) -> Tensor:
    """Return images (B, H, W, 3) uint8 as (B, 3, H, W) float32 in 0..1, contiguous."""
    return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def luma(images: Tensor) -> Tensor:
    """Return the luma (B, H, W) of images (B, 3, H, W)."""
    red, green, blue = images.unbind(1)
    return LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue


def hue(degrees: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) that rotate chroma by ``degrees`` (B,) in the IQ plane, from I towards Q."""
    angle = torch.deg2rad(degrees)[:, None, None]
    gray, chroma, turned = (part.to(degrees) for part in (_GRAY, _CHROMA, _CHROMA_TURNED))
    return _without_offset(gray + angle.cos() * chroma + angle.sin() * turned)


def saturation(factor: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) that multiply chroma by ``factor`` (B,): 0 gives gray, 1 is the identity."""
    gray, chroma = _GRAY.to(factor), _CHROMA.to(factor)
    return _without_offset(gray + factor[:, None, None] * chroma)


def brightness(factor: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) that multiply all channels by ``factor`` (B,), as torchvision and Kornia
    (``adjust_brightness_accumulative``) do."""
    return _without_offset(factor[:, None, None] * torch.eye(3, device=factor.device))


def contrast(factor: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) that multiply the distance from middle gray, 0.5, by ``factor`` (B,)."""
    matrix = brightness(factor)
    matrix[:, :, 3] = 0.5 * (1 - factor)[:, None]
    return matrix


def channel_gains(factors: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) that multiply red, green and blue by ``factors`` (B, 3)."""
    return _without_offset(torch.diag_embed(factors))


def gamma(images: Tensor, exponent: Tensor) -> Tensor:
    """Return images (B, 3, H, W) in 0..1 with each value raised to ``exponent`` (B,)."""
    return images ** exponent[:, None, None, None]


def homogeneous(matrices: Tensor) -> Tensor:
    """Return matrices (B, 3, 4) in homogeneous form (B, 4, 4), so that products are compositions."""
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], device=matrices.device).expand(len(matrices), 1, 4)
    return torch.cat([matrices, last], dim=1)


def recolour(images: Tensor, matrices: Tensor) -> Tensor:
    """Return images (B, 3, H, W) with ``matrices`` (B, 3, 4) or (B, 4, 4) applied to each pixel, not clamped."""
    recoloured = torch.empty_like(images)
    weights = matrices[:, :3, :, None, None]  # channel by channel: matmul may round to TF32 or bfloat16
    for channel in range(3):
        out, row = recoloured[:, channel], weights[:, channel]
        torch.mul(images[:, 0], row[:, 0], out=out)
        out.addcmul_(images[:, 1], row[:, 1]).addcmul_(images[:, 2], row[:, 2]).add_(row[:, 3])
    return recoloured


def _without_offset(matrices: Tensor) -> Tensor:
    return torch.cat([matrices, torch.zeros_like(matrices[:, :, :1])], dim=2)
