"""Contrast-limited adaptive histogram equalisation on batches (Zuiderveld, in Graphics Gems IV, 1994)."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.ops.imaging.colour import luma

_BINS = 256


def clahe(images: Tensor, clip_limit: float, tiles: int) -> Tensor:
    """Equalise the luma of square images (B, 3, S, S) in 0..1 tile by tile; chroma stays (the result may leave 0..1).

    ``tiles`` x ``tiles`` must divide S. A bin of a tile's histogram holds at most ``clip_limit`` times the mean count
    of the bins (at least 1), the excess is spread over all; mappings are interpolated between the tiles' centres. As in
    OpenCV, but for half a pixel (it measures from the pixels' corners, which a flip would show) and for luma, where its
    users commonly take L of CIELAB.
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
    return clipped.add_(excess // _BINS).add_(extra).cumsum(-1, dtype=torch.int32) / pixels  # whole: order is no matter


def _spread(device: torch.device) -> Tensor:
    """Return (n, bins) 0 or 1: where an excess of n < bins goes, to every (bins // n)-th bin, as in OpenCV."""
    spare, number = torch.arange(_BINS, device=device)[:, None], torch.arange(_BINS, device=device)
    step = _BINS // spare.clamp_min(1)
    return ((number % step == 0) & (number // step < spare)).to(torch.int32)


def _interpolate(tables: Tensor, level: Tensor, tiles: int) -> Tensor:
    """Look levels (B, S, S) up in the tables of the four nearest tile centres and weigh the answers by distance."""
    count, size, _ = level.shape
    position = (torch.arange(size, device=level.device) + 0.5) * (tiles / size) - 0.5
    low = position.floor()
    share = position - low  # (S,)
    near, far = (side.to(torch.int64).clamp(0, tiles - 1) for side in (low, low + 1))
    image = torch.arange(count, device=level.device)[:, None, None] * tiles
    top, bottom = ((image + row[:, None]) * (tiles * _BINS) for row in (near, far))  # (B, S, 1)
    left, right = (level + column * _BINS for column in (near, far))  # (B, S, S)

    def look_up(place: Tensor) -> Tensor:
        return tables.flatten().index_select(0, place.flatten()).view_as(place)  # six times quicker than tables[place]

    upper = look_up(top + left).lerp_(look_up(top + right), share)
    lower = look_up(bottom + left).lerp_(look_up(bottom + right), share)
    return upper.lerp_(lower, share[:, None])
