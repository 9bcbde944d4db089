"""Applies a built corruption to a batch, with draws that no training meets."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.api.operations import Batch
from cellcls.ops.draws import draws
from cellcls.ops.imaging.colour import from_uint8

_EVALUATION = -1
"""The epoch corruptions draw in: training's epochs count from 0, so no draw of one meets a draw of the other."""


def corrupt(operation: Batch, images: Tensor, sample_ids: Tensor, *, seed: int, place: int = 0) -> Tensor:
    """Return corrupted images (B, 3, S, S) float32 in 0..1, contiguous; the given ones stay as they are.

    ``images``: (B, S, S, 3) uint8 as a source gives them, or (B, 3, S, S) floats in 0..1. ``operation``: what a
    ``Corruption`` builds. What happens to a sample depends on ``seed``, ``place`` (tells apart corruptions that should
    not share draws) and its id in ``sample_ids`` (B,) int64, not on the batch. Severities share their draws, so a
    bubble grows with the severity and does not move.
    """
    with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
        own = from_uint8(images) if images.dtype == torch.uint8 else images.float()
        drawn = draws(seed, _EVALUATION, sample_ids, place, operation.draws).to(own.device)
        changed, _ = operation.apply(own, torch.zeros(len(own), 1, device=own.device), drawn)
        return changed.clamp(0, 1).contiguous()
