"""Pixelation and JPEG compression."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.tones import to_uint8


def pixelate(images: Tensor, share: float) -> Tensor:
    """Downsample images (B, 3, S, S) to int(S * ``share``) pixels and upsample them, as Pillow with ``Image.BOX``.

    ``share`` in (0, 1] is independent of the image size. Both steps are linear and separable: one S x S matrix.
    """
    size = images.shape[-1]
    small = max(int(size * share), 1)
    matrix = (_boxes(small, size) @ _boxes(size, small)).to(images)
    return matrix @ images @ matrix.T


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Return images (B, 3, H, W) in 0..1, rounded to 8 bits, after JPEG compression with ``quality`` 1..95.

    Uses Pillow in memory, image by image on the CPU, as other encoders produce other artefacts. Blocks are 8 x 8 pixels
    at any image size.
    """
    arrays = to_uint8(images).permute(0, 2, 3, 1).cpu().numpy()
    decoded = np.empty_like(arrays)
    for source, target in zip(arrays, decoded, strict=True):
        file = BytesIO()
        Image.fromarray(source).save(file, "JPEG", quality=quality)
        with Image.open(file, formats=["JPEG"]) as image:
            target[:] = np.asarray(image)
    return from_uint8(torch.from_numpy(decoded)).to(images.device)


def _boxes(size: int, other: int) -> Tensor:
    """Return the matrix (``other``, ``size``) that resizes as ``Image.BOX``: the mean of the pixels whose centres are
    in a box, or the nearest pixel. It follows Pillow's computation, as rounding matters for centres on an edge."""
    scale = size / other
    width = max(scale, 1.0)
    centre = (torch.arange(other, dtype=torch.float64)[:, None] + 0.5) * scale
    pixel = torch.arange(size, dtype=torch.float64)
    first, last = (centre - 0.5 * width + 0.5).floor(), (centre + 0.5 * width + 0.5).floor()
    place = (pixel - centre + 0.5) * (1 / width)
    inside = ((pixel >= first) & (pixel < last) & (place > -0.5) & (place <= 0.5)).double()
    return inside / inside.sum(1, keepdim=True)
