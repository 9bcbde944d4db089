"""Gaussian blur with a separate kernel per image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(images: Tensor, kernel: Tensor, largest: int) -> Tensor:
    """Blur images (B, C, H, W), each with a Gaussian of odd size ``kernel`` (B,) in pixels; borders are reflected.

    ``largest``: upper bound of ``kernel``, less than twice the side of the image. The standard deviation is that of
    OpenCV's ``getGaussianKernel``: 0.3 ((k - 1) / 2 - 1) + 0.8.
    """
    count, channels, height, width = images.shape
    reach = largest // 2
    taps = _taps(kernel, reach).to(images.device).repeat_interleave(channels, 0)  # (B C, 2 reach + 1)
    planes = F.pad(images, (reach, reach, reach, reach), mode="reflect").flatten(0, 1)[None]
    planes = F.conv2d(planes, taps[:, None, :, None], groups=count * channels)
    planes = F.conv2d(planes, taps[:, None, None, :], groups=count * channels)
    return planes.reshape(count, channels, height, width)


def _taps(kernel: Tensor, reach: int) -> Tensor:
    """Return the normalised weights (B, 2 ``reach`` + 1) of the kernels, zero outside the size of each."""
    sigma = 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8
    offset = torch.arange(-reach, reach + 1, device=kernel.device)
    weights = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    weights = weights * (offset.abs() <= kernel[:, None] // 2)
    return weights / weights.sum(1, keepdim=True)
