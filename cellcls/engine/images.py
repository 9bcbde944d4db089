"""Images on the device: read by batch, or held there as a whole where they fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cellcls.api import Source
from cellcls.engine.data import Indices
from cellcls.ops.imaging.colour import from_uint8

SHARE_OF_MEMORY = 0.4
"""Of an accelerator's free memory that images may take."""
RESIZED_AT_ONCE = 1 << 23
"""Bytes of images as stored that are resized together."""


class Images:
    """A source's images as batches on the device: (B, 3, S, S) float32 in 0..1."""

    def __init__(self, source: Source, *, size: int, interpolation: str, device: torch.device) -> None:
        self.source = source
        self.size = size
        self.interpolation = interpolation
        self.device = device
        self.held: Tensor | None = None

    def hold(self) -> bool:
        """Copy all images to an accelerator if they fit; on the CPU they stay where they are."""
        if self.device.type != "cuda":
            return False
        first = self.source.read(np.arange(1))
        free, _ = torch.cuda.mem_get_info(self.device)
        if first.nbytes * len(self.source) > SHARE_OF_MEMORY * free:
            return False
        held = torch.empty((len(self.source), *first.shape[1:]), dtype=torch.uint8, device=self.device)
        for start in range(0, len(self.source), 1024):
            rows = np.arange(start, min(start + 1024, len(self.source)))
            held[start : start + len(rows)] = torch.from_numpy(self.source.read(rows)).to(self.device)
        self.held = held
        return True

    def take(self, indices: Indices) -> Tensor:
        """Return the images of ``indices``, resized to the input's size."""
        pixels = self.raw(indices)
        return from_uint8(pixels) if pixels.dtype == torch.uint8 else pixels

    def raw(self, indices: Indices) -> Tensor:
        """Return the same as the source stores them, (B, S, S, 3) uint8, unless they had to be resized."""
        first = self._read(indices[:1])
        if first.shape[1:3] == (self.size, self.size) or not len(indices):
            return self._read(indices)
        portion = max(1, RESIZED_AT_ONCE // first.nbytes)  # floats of large images would fill the memory
        starts = range(0, len(indices), portion)
        return torch.cat([self._resized(from_uint8(self._read(indices[at : at + portion]))) for at in starts])

    def _read(self, indices: Indices) -> Tensor:
        if self.held is not None:
            return self.held[torch.from_numpy(indices).to(self.device)]
        return torch.from_numpy(np.ascontiguousarray(self.source.read(indices))).to(self.device)

    def _resized(self, images: Tensor) -> Tensor:
        smooth = self.interpolation != "nearest"
        resized = functional.interpolate(
            images,
            size=(self.size, self.size),
            mode=self.interpolation,
            align_corners=False if smooth else None,
            antialias=smooth,
        )
        return resized.clamp(0, 1)
