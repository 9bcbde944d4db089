"""Augmentations that mix each sample with another of the training part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcls.api import Augmentation, Mix, component, param

if TYPE_CHECKING:
    from torch import Tensor


@component("mixup")
class Mixup(Augmentation):
    """A weighted mean of two images and of their classes (Zhang et al., mixup, ICLR 2018, section 2)."""

    alpha: float = param(
        default=0.2, gt=0, le=100, help="The weight is drawn from Beta(alpha, alpha); the paper takes 0.1 to 0.4."
    )

    def build(self, *, size: int) -> Mix:
        """Return the mixture; its draw is the weight."""
        from cellcls.ops.imaging.mixing import beta_quantile, mixup

        quantile = beta_quantile(self.alpha)

        def mix(
            images: Tensor, partners: Tensor, targets: Tensor, partner_targets: Tensor, draws: Tensor
        ) -> tuple[Tensor, Tensor]:
            return mixup(images, partners, targets, partner_targets, quantile(draws[:, 0]))

        return Mix(draws=1, apply=mix)


@component("cutmix")
class CutMix(Augmentation):
    """A box of another image, and as much of its class as the box's area (Yun et al., CutMix, ICCV 2019, section 3)."""

    alpha: float = param(
        default=1.0, gt=0, le=100, help="The share that stays is drawn from Beta(alpha, alpha); the paper takes 1."
    )

    def build(self, *, size: int) -> Mix:
        """Return the mixture; its draws are the share that stays and the centre of the box."""
        from cellcls.ops.imaging.mixing import beta_quantile, cutmix

        quantile = beta_quantile(self.alpha)

        def mix(
            images: Tensor, partners: Tensor, targets: Tensor, partner_targets: Tensor, draws: Tensor
        ) -> tuple[Tensor, Tensor]:
            return cutmix(images, partners, targets, partner_targets, quantile(draws[:, 0]), draws[:, 1:])

        return Mix(draws=3, apply=mix)
