"""Contrast-limited adaptive histogram equalisation of batches (Zuiderveld, in Graphics Gems IV, 1994)."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.ops.imaging.colour import luma

_BINS = 256


def clahe(images: Tensor, clip_limit: float, tiles: int) -> Tensor:
    """Equalise the luma of square images (B, 3, S, S) in 0..1 by tiles, keeping chroma. The result may exceed 0..1.

    ``tiles``: number of tiles per side, which must divide S. Histogram bins are clipped at ``clip_limit`` times their
    mean count (at least 1) and the excess is redistributed evenly; mappings are interpolated between the centres of
    tiles. As in OpenCV, except that pixels are measured from their centres (so that the result commutes with flips) and
    that luma is used, where OpenCV users commonly take L of CIELAB.
    """
    brightness = luma(images)
    level = (brightness * (_BINS - 1) + 0.5).to(torch.int64).clamp_(0, _BINS - 1)  # (B, S, S)
    tables = _tables(_histograms(level, tiles), clip_limit, (images.shape[-1] // tiles) ** 2)
    return images + (_interpolate(tables, level, tiles) - brightness)[:, None]


def _histograms(level: Tensor, tiles: int) -> Tensor:
    """Return the counts (B, tiles, tiles, bins) of levels (B, S, S)."""
    count, size, _ = level.shape
    tile = torch.arange(size, device=level.device) // (size // tiles)
    image = torch.arange(count, device=level.device)[:, None, None]
    key = ((image * tiles + tile[:, None]) * tiles + tile) * _BINS + level
    return torch.bincount(key.flatten(), minlength=count * tiles * tiles * _BINS).view(count, tiles, tiles, _BINS)


def _tables(histograms: Tensor, clip_limit: float, pixels: int) -> Tensor:
    """Return the mappings (B, tiles, tiles, bins) from level to brightness in 0..1."""
    limit = max(int(clip_limit * pixels / _BINS), 1)
    clipped = histograms.to(torch.int32).clamp_max_(limit)
    excess = pixels - clipped.sum(-1, keepdim=True, dtype=torch.int32)
    extra = _spread(histograms.device)[(excess % _BINS)[..., 0]]
    return clipped.add_(excess // _BINS).add_(extra).cumsum(-1, dtype=torch.int32) / pixels  # exact in any order


def _spread(device: torch.device) -> Tensor:
    """Return (n, bins) 0 or 1: the bins that receive an excess of n < bins, every (bins // n)-th one as in OpenCV."""
    spare, number = torch.arange(_BINS, device=device)[:, None], torch.arange(_BINS, device=device)
    step = _BINS // spare.clamp_min(1)
    return ((number % step == 0) & (number // step < spare)).to(torch.int32)


def _interpolate(tables: Tensor, level: Tensor, tiles: int) -> Tensor:
    """Look up levels (B, S, S) in the tables of the four nearest tile centres and interpolate bilinearly."""
    count, size, _ = level.shape
    position = (torch.arange(size, device=level.device) + 0.5) * (tiles / size) - 0.5
    low = position.floor()
    share = position - low  # (S,)
    near, far = (side.to(torch.int64).clamp(0, tiles - 1) for side in (low, low + 1))
    image = torch.arange(count, device=level.device)[:, None, None] * tiles
    top, bottom = ((image + row[:, None]) * (tiles * _BINS) for row in (near, far))  # (B, S, 1)
    left, right = (level + column * _BINS for column in (near, far))  # (B, S, S)

    def look_up(place: Tensor) -> Tensor:
        return tables.flatten().index_select(0, place.flatten()).view_as(place)  # six times faster than tables[place]

    upper = look_up(top + left).lerp_(look_up(top + right), share)
    lower = look_up(bottom + left).lerp_(look_up(bottom + right), share)
    return upper.lerp_(lower, share[:, None])
