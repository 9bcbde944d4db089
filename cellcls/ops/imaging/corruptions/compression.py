"""Loss of detail in files: coarse pixels and JPEG."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.tones import to_uint8


def pixelate(images: Tensor, share: float) -> Tensor:
    """Shrink images (B, 3, S, S) to int(S * ``share``) pixels and enlarge them again, as Pillow with ``Image.BOX``.

    ``share`` in (0, 1] needs no scaling. Both steps are linear along each axis, so one S x S matrix does it.
    """
    size = images.shape[-1]
    small = max(int(size * share), 1)
    matrix = (_boxes(small, size) @ _boxes(size, small)).to(images)
    return matrix @ images @ matrix.T


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Return images (B, 3, H, W) in 0..1, rounded to 8 bits, as they come out of a JPEG of ``quality`` 1..95.

    By Pillow in memory, image by image on the CPU: any other coder would give other artefacts. Blocks stay 8 x 8
    pixels whatever the size of the images.
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
    """Return the matrix (``other``, ``size``) that resizes as ``Image.BOX``: a mean of the pixels whose centres lie in
    a box, or the nearest pixel. In Pillow's own steps, as a rounding decides where a centre lies on an edge."""
    scale = size / other
    width = max(scale, 1.0)
    centre = (torch.arange(other, dtype=torch.float64)[:, None] + 0.5) * scale
    pixel = torch.arange(size, dtype=torch.float64)
    first, last = (centre - 0.5 * width + 0.5).floor(), (centre + 0.5 * width + 0.5).floor()
    place = (pixel - centre + 0.5) * (1 / width)
    inside = ((pixel >= first) & (pixel < last) & (place > -0.5) & (place <= 0.5)).double()
    return inside / inside.sum(1, keepdim=True)
