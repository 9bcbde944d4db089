"""Blur by a point spread function: defocus and motion, as defined by MedMNIST-C at 224 px.

A point spread function is a list of taps (offset, weight) at the ``REFERENCE`` size. At other sizes, taps fall between
pixels and are distributed over the nearest ones by distance. Lengths thus scale with the input, and at 224 px the taps
are exactly the published ones.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

REFERENCE = 224
"""Side in pixels of the images to which the published lengths refer."""


def defocus(images: Tensor, radius: int) -> Tensor:
    """Blur images (B, 3, S, S) with a disk of ``radius`` pixels at 224 px; borders are reflected.

    The published code also smooths the disk with a Gaussian of sigma ``alias``, omitted here: at 0.01 to 0.1 pixels it
    changes no weight by more than 1e-21.
    """
    line = torch.arange(-radius, radius + 1)
    inside = line[:, None] ** 2 + line**2 <= radius**2
    offsets = (inside.nonzero() - radius).float()[None]
    weights = torch.full((offsets.shape[1],), 1 / offsets.shape[1])
    return _convolve(images, _point_spread(offsets, weights, images.shape[-1] / REFERENCE).to(images), "reflect")


def motion(images: Tensor, radius: int, sigma: float, degrees: Tensor) -> Tensor:
    """Blur images (B, 3, S, S) along a one-sided trail in the direction ``degrees`` (B,); borders are replicated.

    ``radius`` and ``sigma`` in pixels at 224 px. The trail is ImageMagick's ``MotionBlurImage``: a tap at each of
    0..2 ``radius``, rounded to a pixel, with the weight of a Gaussian of ``sigma``.
    """
    steps = torch.arange(2 * radius + 1)
    angle = torch.deg2rad(degrees.cpu().double())[:, None]
    offsets = torch.stack([torch.ceil(steps * angle.cos() - 0.5), torch.ceil(steps * angle.sin() - 0.5)], dim=2).float()
    weights = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernels = _point_spread(offsets, weights / weights.sum(), images.shape[-1] / REFERENCE)
    return _convolve(images, kernels.to(images), "replicate")


def _point_spread(offsets: Tensor, weights: Tensor, scale: float) -> Tensor:
    """Return kernels (B, k, k) of taps at ``offsets`` (B, N, 2) as (x, y) times ``scale``, ``weights`` (N,) sum 1."""
    width = max(1.0, scale)  # upscaled, a tap covers the gap to the next
    reach = math.ceil(float(offsets.abs().max()) * scale + width) - 1
    pixels = torch.arange(-reach, reach + 1)
    shares = (1 - (pixels - offsets[..., None] * scale).abs() / width).clamp_min(0)  # (B, N, 2, k)
    kernels = (shares[:, :, 1] * weights[:, None]).transpose(1, 2) @ shares[:, :, 0]
    return kernels / kernels.sum((1, 2), keepdim=True)


def _convolve(images: Tensor, kernels: Tensor, border: Literal["reflect", "replicate"]) -> Tensor:
    """Return the images with each pixel p replaced by the sum over d of kernel(d) image(p + d).

    Uses Fourier transforms: with a separate kernel per image, direct convolution is several times slower.
    """
    height, width = images.shape[2:]
    reach = kernels.shape[-1] // 2
    padded = F.pad(images, (reach, reach, reach, reach), mode=border)
    shape = (height + 2 * reach, width + 2 * reach)
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels, s=shape).conj()[:, None]
    blurred: Tensor = torch.fft.irfft2(spectrum, s=shape)
    return blurred[..., :height, :width]
