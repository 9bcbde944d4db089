"""Changes of tone and of colour channels. Each takes images (B, 3, H, W) in 0..1, a strength and seeds.

Posterize, solarize, equalize and autocontrast are torchvision's, on 8 bits, which equal Pillow's ``ImageOps``.
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
    """Keep the highest ``bits`` of each channel's eight."""
    kept: Tensor = tv.posterize_image(to_uint8(images), int(bits))
    return kept / 255


def solarize(images: Tensor, threshold: float, _seeds: Seeds) -> Tensor:
    """Invert what is at or above ``threshold`` (0..1)."""
    inverted: Tensor = tv.solarize_image(to_uint8(images), threshold * 255)
    return inverted / 255


def equalize(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Equalise each channel's histogram, mixed in by ``weight``."""
    return images.lerp(tv.equalize_image(to_uint8(images)) / 255, weight)


def autocontrast(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Stretch each channel to 0..1, mixed in by ``weight``."""
    return images.lerp(tv.autocontrast_image(to_uint8(images)) / 255, weight)


def invert(images: Tensor, channels: float, seeds: Seeds) -> Tensor:
    """Invert 1 to 3 ``channels``, chosen by chance."""
    chosen = seeds.draw(3).argsort(1) < channels
    return torch.where(chosen[:, :, None, None], 1 - images, images)


def swap_channels(images: Tensor, weight: float, seeds: Seeds) -> Tensor:
    """Put R, G and B in another order, mixed in by ``weight``."""
    order = torch.tensor(_SWAPS, device=images.device)[(seeds.draw(1)[:, 0] * len(_SWAPS)).long()]
    return images.lerp(images.gather(1, order[:, :, None, None].expand_as(images)), weight)


def drop_channel(images: Tensor, weight: float, seeds: Seeds) -> Tensor:
    """Take ``weight`` of one channel away."""
    chosen = (seeds.draw(1) * 3).long() == torch.arange(3, device=images.device)
    return images * (1 - weight * chosen[:, :, None, None])


def gray(images: Tensor, weight: float, _seeds: Seeds) -> Tensor:
    """Take ``weight`` of the chroma away."""
    return recolour(images, saturation(torch.full((len(images),), 1 - weight, device=images.device)))


def turn_hue(images: Tensor, degrees: float, seeds: Seeds) -> Tensor:
    """Turn the hue by ``degrees`` to either side."""
    return recolour(images, hue(either_way(degrees, seeds.draw(1)[:, 0])))


def either_way(strength: float, draws: Tensor) -> Tensor:
    """Return ``strength`` or its negative, as likely, for each of ``draws``."""
    return torch.where(draws < 0.5, -1.0, 1.0) * strength
