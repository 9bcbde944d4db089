"""Chains of strong operations that substitute for the hidden test set of the challenge.

The report only says that the hidden images are strongly corrupted; operations and strengths are our choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import torch
from torch import Tensor

from cellcls.ops.imaging.corruptions import blur, geometric, noise, occlusion, tones
from cellcls.ops.imaging.corruptions.seeds import Seeds
from cellcls.ops.imaging.filters import gaussian_blur

LENGTHS = ((1, 1), (1, 2), (2, 3), (2, 4), (3, 4))
"""Minimum and maximum number of operations per image, at each severity."""
_WIDTH, _DEPTH = 3, 3  # AugMix: chains in a mixture, and maximum length of each
_WEIGHTS = (0.4, 0.55, 0.7, 0.85, 1.0)


@attrs.frozen
class Link:
    """An operation of a chain: ``change(images, strength, seeds)``, and its strength at each severity."""

    change: Callable[[Tensor, float, Seeds], Tensor]
    strengths: tuple[float, float, float, float, float]


def compete(images: Tensor, severity: int, seeds: Seeds) -> Tensor:
    """Return images (B, 3, S, S) in 0..1, each changed by a chain of 1 to 4 different operations of ``LINKS``."""
    fewest, most = LENGTHS[severity - 1]
    length = fewest + (seeds.child(0).draw(1)[:, 0] * (most - fewest + 1)).long()
    return chain(images, LINKS, severity, length, seeds.child(1))


def mixture(images: Tensor, severity: float, seeds: Seeds) -> Tensor:
    """Mix each image with three short chains of mild operations (AugMix, Hendrycks et al. 2020, algorithm 1).

    The weights of the chains are Dirichlet(1, 1, 1), and chains make up half to all of the mixture, so that it is
    seldom mild.
    """
    drawn = seeds.draw(_WIDTH + _WIDTH + 1)
    weights = -torch.log(1 - drawn[:, :_WIDTH])  # exponential draws over their sum are Dirichlet
    weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-6)
    lengths = 1 + (drawn[:, _WIDTH:-1] * _DEPTH).long()
    mixed = torch.zeros_like(images)
    for number in range(_WIDTH):
        chained = chain(images, _MIXED, int(severity), lengths[:, number], seeds.child(number))
        mixed += weights[:, number, None, None, None] * chained
    return images.lerp(mixed, (0.5 + 0.5 * drawn[:, -1])[:, None, None, None])


def chain(images: Tensor, links: Sequence[Link], severity: int, length: Tensor, seeds: Seeds) -> Tensor:
    """Apply the first ``length`` (B,) of the links to each image, in a random order per image."""
    changed = images.clone()
    order = seeds.draw(len(links)).argsort(dim=1, stable=True)
    order[torch.arange(len(links), device=images.device) >= length[:, None]] = -1
    for turn in order[:, : LENGTHS[-1][1]].unbind(1):
        for number in sorted({*turn.tolist()} - {-1}):
            link, rows = links[number], (turn == number).nonzero()[:, 0]
            own = link.change(changed[rows], link.strengths[severity - 1], seeds.rows(rows).child(number))
            changed[rows] = own.clamp(0, 1)
    return changed


def _gaussian(images: Tensor, share: float, _seeds: Seeds) -> Tensor:
    """Blur with a kernel of ``share`` of the side, rounded to an odd number of pixels."""
    kernel = 2 * int(share * images.shape[-1] / 2) + 1
    return gaussian_blur(images, torch.full((len(images),), kernel), kernel)


def _motion(images: Tensor, radius: float, seeds: Seeds) -> Tensor:
    """Blur along a trail of ``radius`` pixels at 224 px, in any direction."""
    return blur.motion(images, int(radius), radius, 360 * seeds.draw(1)[:, 0])


_MIXED = (
    Link(tones.autocontrast, _WEIGHTS),
    Link(tones.equalize, _WEIGHTS),
    Link(tones.posterize, (5, 4, 3, 2, 2)),
    Link(tones.solarize, (0.9, 0.8, 0.7, 0.6, 0.5)),
    Link(geometric.rotate, (6, 12, 18, 24, 30)),
    Link(geometric.shear, (0.06, 0.12, 0.18, 0.24, 0.3)),
    Link(geometric.translate, (0.06, 0.12, 0.18, 0.24, 0.3)),
)
LINKS = (
    Link(geometric.rotate, (10, 20, 30, 40, 50)),
    Link(geometric.shear, (0.1, 0.2, 0.3, 0.4, 0.5)),
    Link(geometric.translate, (0.05, 0.1, 0.15, 0.2, 0.25)),
    Link(geometric.zoom, (1.15, 1.3, 1.45, 1.6, 1.75)),
    Link(geometric.perspective, (0.08, 0.15, 0.22, 0.29, 0.36)),
    Link(tones.swap_channels, _WEIGHTS),
    Link(tones.drop_channel, _WEIGHTS),
    Link(tones.gray, _WEIGHTS),
    Link(tones.shift_hue, (30, 60, 90, 120, 150)),
    Link(noise.gaussian_noise, (0.05, 0.09, 0.13, 0.18, 0.24)),
    Link(noise.shot_noise, (60, 30, 15, 9, 5)),
    Link(noise.salt_and_pepper, (0.02, 0.04, 0.08, 0.12, 0.18)),
    Link(_gaussian, (0.06, 0.09, 0.12, 0.15, 0.18)),
    Link(_motion, (6, 9, 12, 16, 20)),
    Link(occlusion.boxes, (0.15, 0.22, 0.29, 0.36, 0.43)),
    Link(occlusion.grid, (0.3, 0.37, 0.44, 0.51, 0.58)),
    Link(tones.posterize, (4, 3, 3, 2, 2)),
    Link(tones.solarize, (0.9, 0.8, 0.7, 0.6, 0.5)),
    Link(tones.equalize, _WEIGHTS),
    Link(tones.invert, (1, 1, 2, 2, 3)),
    Link(mixture, (1, 2, 3, 4, 5)),
)
"""The operations that chains consist of."""
