"""What an augmentation or a corruption becomes when it is built: one of four sorts of operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen
class Geometric:
    """A change of place. ``matrix`` maps draws (B, ``draws``) in [0, 1) to matrices (B, 3, 3) that take a point of the
    output to the point of the input it shows, in coordinates -1..1 across the image (x to the right, y down)."""

    draws: int
    matrix: Callable[[Tensor], Tensor]


@attrs.frozen
class Colour:
    """A linear change of colour. ``matrix`` maps draws (B, ``draws``) in [0, 1) to (B, 3, 4): a 3x3 matrix on RGB in
    0..1 and, in the last column, what is added."""

    draws: int
    matrix: Callable[[Tensor], Tensor]


@attrs.frozen
class Batch:
    """Any other change. ``apply(images, targets, draws)`` maps images (B, 3, H, W) in 0..1, soft targets (B, K) and
    draws (B, ``draws``) in [0, 1) to new images and targets of the same shapes."""

    draws: int
    apply: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


@attrs.frozen
class Mix:
    """A mixture of each sample with a partner, which the engine draws from the training samples.

    ``apply(images, partners, targets, partner_targets, draws)`` maps images and partners (B, 3, H, W) in 0..1, their
    targets (B, K) and draws (B, ``draws``) in [0, 1) to new images and soft targets of the same shapes. The partner is
    changed by the operations before this one, with its own draws, and is not mixed itself.
    """

    draws: int
    apply: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
