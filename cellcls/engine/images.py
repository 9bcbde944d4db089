"""Images on the device: read by batch, or held there as a whole where they fit."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellcls.api import Input, Source
from cellcls.engine.data import Indices, evenly_spaced
from cellcls.ops.imaging.colour import from_uint8
from cellcls.runs.records import TrainingImagesRecord

SHARE_OF_MEMORY = 0.4
"""Of an accelerator's free memory that images may take."""
PREPARED_AT_ONCE = 1 << 25
"""Bytes of images as stored that are prepared together: a batch of large ones would fill the memory."""


DESCRIBED = 512
"""Images at most that a description of a part is measured on."""


class Images:
    """A source's images as a network sees them, in batches on the device: (B, 3, S, S) float32 in 0..1."""

    def __init__(self, source: Source, input: Input, device: torch.device) -> None:
        self.source = source
        self.input = input
        self.device = device
        self.held: Tensor | None = None
        self._stored: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self.input.size

    def hold(self) -> bool:
        """Copy all images to an accelerator if they fit; on the CPU they stay where they are."""
        if self.device.type != "cuda":
            return False
        free, _ = torch.cuda.mem_get_info(self.device)
        shape = (len(self.source), self.input.size, self.input.size, 3)
        if np.prod(shape, dtype=np.int64) > SHARE_OF_MEMORY * free:
            return False
        held = torch.empty(shape, dtype=torch.uint8, device=self.device)
        for start in range(0, len(self.source), 1024):
            rows = np.arange(start, min(start + 1024, len(self.source)))
            held[start : start + len(rows)] = torch.from_numpy(self._read(rows)).to(self.device)
        self.held = held
        return True

    def take(self, indices: Indices) -> Tensor:
        """Return the images of ``indices`` (B, 3, S, S) in 0..1."""
        return from_uint8(self.raw(indices))

    def raw(self, indices: Indices) -> Tensor:
        """Return the same as (B, S, S, 3) uint8."""
        if self.held is not None:
            return self.held[torch.from_numpy(indices).to(self.device)]
        return torch.from_numpy(np.ascontiguousarray(self._read(indices))).to(self.device)

    def describe(self, indices: Indices, most: int = DESCRIBED) -> TrainingImagesRecord | None:
        """Return what the images of ``indices`` look like, None if none can be read, from an evenly spaced sample of at
        most ``most``."""
        chosen = evenly_spaced(indices, most)
        parts = np.array_split(chosen, max(1, len(chosen) // 64))
        colours = torch.cat([self.take(part).mean(dim=(2, 3)) for part in parts]).double().cpu()
        sizes = self.source.sizes
        if sizes is None:
            sizes = np.broadcast_to(self.source.read(chosen[:1]).shape[1:3], (len(self.source), 2))
        readable = sizes[chosen].min(axis=1) > 0
        if not readable.any():
            return None
        percentiles = np.percentile(sizes[chosen][readable], (10, 50, 90), axis=0).T.tolist()
        colours = colours[torch.from_numpy(readable)]
        return TrainingImagesRecord(
            n=len(colours),
            height=tuple(percentiles[0]),
            width=tuple(percentiles[1]),
            mean=tuple(colours.mean(0).tolist()),
            std=tuple(colours.std(0, correction=0).tolist()),
        )

    def _read(self, indices: Indices) -> NDArray[np.uint8]:
        if not len(indices):
            return np.zeros((0, self.size, self.size, 3), dtype=np.uint8)
        if self._stored is None:
            self._stored = (self.size, self.size) if self.source.prepared else self.source.read(indices[:1]).shape[1:3]
        height, width = self._stored
        if self.source.prepared or self.input.keeps(height, width):
            return self.source.read(indices)
        portion = max(1, PREPARED_AT_ONCE // (height * width * 3))
        starts = range(0, len(indices), portion)
        stored = (image for at in starts for image in self.source.read(indices[at : at + portion]))
        return np.stack([self.input.prepare(image) for image in stored])
