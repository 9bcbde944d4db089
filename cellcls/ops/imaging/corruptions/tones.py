"""Tone and colour corruptions. Each function takes images (B, 3, H, W) in 0..1, a strength and seeds.

Posterize, solarize, equalize and autocontrast are those of torchvision on 8 bits, equal to Pillow's ``ImageOps``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv  # type: ignore[import-untyped]

from cellcls.ops.imaging.colour import hue, recolour, saturation
from cellcls.ops.imaging.corruptions.seeds import Seeds

_SWAPS = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def to_uint8(images: Tensor) -> Tensor:
    """Return images in 0..1 rounded to 0..255, uint8, of the same shape."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


def posterize(images: Tensor, bits: float, _seeds: Seeds) -> Tensor:
    """Keep the ``bits`` most significant of the eight bits of each channel."""
    kept: Tensor = tv.posterize_image(to_uint8(images), int(bits))
    return kept / 255


def solarize(images: Tensor, threshold: float, _seeds: Seeds) -> Tensor:
    """Invert values at or above ``threshold`` (0..1)."""
    inverted: Tensor = tv.solarize_image(to_uint8(images), threshold * 255)
    return inverted / 255


def equalize(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Equalise the histogram of each channel, blended by ``weight``."""
    return images.lerp(tv.equalize_image(to_uint8(images)) / 255, weight)


def autocontrast(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Stretch each channel to 0..1, blended by ``weight``."""
    return images.lerp(tv.autocontrast_image(to_uint8(images)) / 255, weight)


def invert(images: Tensor, channels: float, seeds: Seeds) -> Tensor:
    """Invert ``channels`` (1 to 3) randomly chosen channels."""
    chosen = seeds.draw(3).argsort(1) < channels
    return torch.where(chosen[:, :, None, None], 1 - images, images)


def swap_channels(images: Tensor, weight: float, seeds: Seeds) -> Tensor:
    """Permute R, G and B, blended by ``weight``."""
    order = torch.tensor(_SWAPS, device=images.device)[(seeds.draw(1)[:, 0] * len(_SWAPS)).long()]
    return images.lerp(images.gather(1, order[:, :, None, None].expand_as(images)), weight)


def drop_channel(images: Tensor, weight: float, seeds: Seeds) -> Tensor:
    """Attenuate a random channel by ``weight``."""
    chosen = (seeds.draw(1) * 3).long() == torch.arange(3, device=images.device)
    return images * (1 - weight * chosen[:, :, None, None])


def gray(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Reduce chroma by ``weight``."""
    return recolour(images, saturation(torch.full((len(images),), 1 - weight, device=images.device)))


def shift_hue(images: Tensor, degrees: float, seeds: Seeds) -> Tensor:
    """Shift the hue by ``degrees`` in either direction."""
    return recolour(images, hue(either_way(degrees, seeds.draw(1)[:, 0])))


def either_way(strength: float, draws: Tensor) -> Tensor:
    """Return ``strength`` or its negative with equal probability, by ``draws``."""
    return torch.where(draws < 0.5, -1.0, 1.0) * strength
