"""Policies: operations chosen at random for each image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import attrs

from cellcls.api import Augmentation, Batch, component, param

if TYPE_CHECKING:
    from torch import Tensor

Operation = Literal[
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate", "zoom", "brightness", "contrast",
    "saturation", "channel_gains", "gamma", "sharpness", "posterize", "solarize", "autocontrast", "equalize", "blur",
    "noise",
]  # fmt: skip
"""What a policy chooses from; known without torch."""

OPERATIONS: tuple[Operation, ...] = get_args(Operation)


@attrs.frozen(kw_only=True, slots=False, repr=False)
class _Policy(Augmentation):
    """A choice among ``OPERATIONS``."""

    exclude: tuple[Operation, ...] = param(default=(), help="Operations to leave out.")

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Yield that nothing is left."""
        if not self.names:
            yield "exclude", "no operation is left", "exclude fewer"

    @property
    def names(self) -> tuple[Operation, ...]:
        """The operations that are left."""
        return tuple(name for name in OPERATIONS if name not in self.exclude)


@component("trivial_augment")
class TrivialAugment(_Policy):
    """One operation an image, and a magnitude from nothing to ``magnitude``, all as likely (Müller and Hutter,
    TrivialAugment, ICCV 2021, algorithm 1)."""

    magnitude: float = param(default=1.0, ge=0, le=1, help="Largest strength; 1: that of the paper's wide space.")

    def build(self, *, size: int) -> Batch:
        """Return the policy."""
        from cellcls.ops.imaging.policy import CHOICES, change

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            return change(images, self.names, draws, self.magnitude * draws[:, 1]), targets

        return Batch(draws=CHOICES, apply=apply)


@component("rand_augment")
class RandAugment(_Policy):
    """Some operations one after another, all with one magnitude (Cubuk et al., RandAugment, 2020, section 3)."""

    operations: int = param(default=2, ge=1, le=10, help="Number of operations; one can be chosen again.")
    magnitude: float = param(default=0.5, ge=0, le=1, help="Strength of each, either way.")

    def build(self, *, size: int) -> Batch:
        """Return the policy."""
        import torch

        from cellcls.ops.imaging.policy import CHOICES, change

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            for own in torch.split(draws, CHOICES, dim=1):
                images = change(images, self.names, own, self.magnitude * own.new_ones(len(own)))
            return images, targets

        return Batch(draws=self.operations * CHOICES, apply=apply)


@component("augmix")
class AugMix(_Policy):
    """Chains of operations, mixed with each other and with the image by random weights (Hendrycks et al., AugMix, ICLR
    2020, algorithm 1 with alpha 1, without its loss over several copies of an image)."""

    chains: int = param(default=3, ge=1, le=10, help="Number of chains.")
    depth: int = param(default=3, ge=1, le=10, help="Operations of a chain at most; each length is as likely.")
    magnitude: float = param(default=0.3, ge=0, le=1, help="Largest strength of each operation.")

    def build(self, *, size: int) -> Batch:
        """Return the policy."""
        import torch

        from cellcls.ops.imaging.policy import CHOICES, change

        width = 2 + self.depth * CHOICES  # a chain's weight and length, then its operations

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            share, chains = draws[:, 0], draws[:, 1:].reshape(len(draws), self.chains, width)
            weights = -torch.log1p(-chains[:, :, 0])  # scaled to a sum of 1: uniform on the simplex
            weights = share[:, None] * weights / weights.sum(1, keepdim=True).clamp_min(1e-12)
            lengths = 1 + (chains[:, :, 1] * self.depth).long()
            mixed = images * (1 - weights.sum(1).to(images))[:, None, None, None]
            for number in range(self.chains):
                chain = images
                for step, own in enumerate(torch.split(chains[:, number, 2:], CHOICES, dim=1)):
                    longer = (step < lengths[:, number])[:, None, None, None]
                    chain = torch.where(longer, change(chain, self.names, own, self.magnitude * own[:, 1]), chain)
                mixed = mixed + chain * weights[:, number].to(images)[:, None, None, None]
            return mixed.clamp(0, 1), targets

        return Batch(draws=1 + self.chains * width, apply=apply)
