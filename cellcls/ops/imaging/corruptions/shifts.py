"""What another microscope, lamp or slide does to an image, by operations that training does not use.

Each function takes images (B, 3, S, S) in 0..1, a strength and seeds; the result is not clamped. Lengths are shares of
the side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cellcls.ops.draws import between
from cellcls.ops.imaging.colour import recolour
from cellcls.ops.imaging.corruptions.fields import field, plasma, positions
from cellcls.ops.imaging.corruptions.seeds import Seeds

_GRAIN, _RIPPLE = 48, 12  # knots a side of speckle and glass
_EDGE = 3.0  # how much steeper than a Gaussian the edge of a speck is


def uneven_light(images: Tensor, strength: float, seeds: Seeds) -> Tensor:
    """Light from one side, by up to 1 ± ``strength``, that falls off by 3/4 ``strength`` away from a lit place."""
    drawn = seeds.draw(3)
    x, y = positions(images)
    angle, centre = 2 * math.pi * drawn[:, :1, None], between(drawn[:, 1:, None, None], -0.4, 0.4)
    slope = (x * angle.cos() + y * angle.sin()) / math.sqrt(2)
    distance = ((x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2) / 2
    return images * ((1 + strength * slope) * (1 - 0.75 * strength * distance).clamp_min(0))[:, None]


def haze(images: Tensor, strength: float, seeds: Seeds) -> Tensor:
    """Fog of uneven thickness that covers up to ``strength`` of the image, whitish to gray and a little tinted."""
    drawn = seeds.child(0).draw(4)
    colour = between(drawn[:, :1], 0.65, 0.95) + between(drawn[:, 1:], -0.06, 0.06)
    return images.lerp(colour[:, :, None, None], strength * plasma(seeds.child(1), images.shape[-1]))


def speckle(images: Tensor, strength: float, seeds: Seeds) -> Tensor:
    """Grains of 1/48 of the side that multiply all channels alike, of standard deviation ``strength`` at the knots."""
    return images * (1 + strength * field(seeds, _GRAIN, images.shape[-1]))


def glass(images: Tensor, strength: float, seeds: Seeds) -> Tensor:
    """A view through uneven glass: pixels move by about ``strength`` of the side; borders are replicated."""
    x, y = positions(images)
    moved = 2 * strength * field(seeds, _RIPPLE, images.shape[-1], channels=2)
    grid = torch.stack([x + moved[:, 0], y + moved[:, 1]], dim=3)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def cast(images: Tensor, strength: float, seeds: Seeds) -> Tensor:
    """The colours of a camera with other filters: channels mix, each by ``strength`` with a random mean of all three,
    under a lamp that lacks up to half of ``strength`` in each of them."""
    drawn = seeds.draw(12)
    shares = -torch.log(1 - drawn[:, :9].clamp(2.0**-24, 1 - 2.0**-24)).view(-1, 3, 3)  # over their sum: Dirichlet
    mixing = torch.eye(3, device=images.device).lerp(shares / shares.sum(2, keepdim=True), strength)
    lamp = 1 - 0.5 * strength * drawn[:, 9:]
    return recolour(images, F.pad(lamp[:, :, None] * mixing, (0, 1)))


def dust(images: Tensor, specks: int, fibres: int, seeds: Seeds) -> Tensor:
    """Specks and bent fibres lie on the slide or the lens, dark or bright; larger counts keep those of smaller ones."""
    x, y = positions(images)
    drawn = seeds.child(0).draw(3 * specks).view(-1, specks, 3)
    place, shape = drawn[:, :, :2], drawn[:, :, 2:]
    radius = between(shape, 0.02, 0.06)
    across = torch.exp(-(((x - between(place[:, :, :1], -1, 1)) / radius) ** 2))  # (B, specks, S)
    down = torch.exp(-(((y.mT - between(place[:, :, 1:], -1, 1)) / radius) ** 2))
    dark = _dark(seeds.child(1), specks)
    black = (_EDGE * (down * dark[:, :, None]).mT @ across).clamp_max(0.85)
    white = (_EDGE * (down * ~dark[:, :, None]).mT @ across).clamp_max(0.85)
    own = _dark(seeds.child(2), fibres)
    for number, own_draws in enumerate(seeds.child(3).draw(5 * fibres).view(-1, fibres, 5, 1, 1).unbind(1)):
        arc, is_dark = 0.8 * _fibre(own_draws, x, y, images.shape[-1]), own[:, number, None, None]
        black, white = torch.maximum(black, arc * is_dark), torch.maximum(white, arc * ~is_dark)
    shown = (1 - black)[:, None]
    return (images * shown + 0.08 * (1 - shown)).lerp(torch.tensor(0.97, device=images.device), white[:, None])


def _dark(seeds: Seeds, count: int) -> Tensor:
    """Return which (B, ``count``) are dark: two in three."""
    return seeds.draw(count) < 2 / 3


def _fibre(drawn: Tensor, x: Tensor, y: Tensor, size: int) -> Tensor:
    """Return the cover (B, S, S) in 0..1 of an arc of a parabola, 1/80 of the side wide and 0.2 to 0.5 of it long."""
    across, down, turned, bend, length = drawn.unbind(1)
    across, down, angle = x - between(across, -0.8, 0.8), y - between(down, -0.8, 0.8), 2 * math.pi * turned
    along, aside = across * angle.cos() + down * angle.sin(), down * angle.cos() - across * angle.sin()
    bend = between(bend, -1.2, 1.2)
    off = (aside - bend * along**2).abs() / (1 + (2 * bend * along) ** 2).sqrt()
    beyond = along.abs() - between(length, 0.2, 0.5)
    return (1 - (torch.maximum(off - 1 / 80, beyond) * size / 2)).clamp(0, 1)
