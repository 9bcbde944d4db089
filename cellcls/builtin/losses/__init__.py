"""Losses per sample; the engine averages over all N samples (report, equation 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcls.api import Loss, PerSampleLoss, component, param

if TYPE_CHECKING:
    from torch import Tensor


@component("cross_entropy")
class CrossEntropy(Loss):
    """Weighted cross entropy (report, equation 1); label smoothing as in Szegedy et al. 2016, section 7."""

    label_smoothing: float = param(default=0.0, ge=0, lt=1, help="Share of the target spread over all classes.")

    def build(self, *, class_weights: Tensor | None) -> PerSampleLoss:
        """Return logits (B, K), targets (B,) or (B, K) -> (B,)."""
        from functools import partial

        from cellcls.builtin.losses.functions import cross_entropy

        return partial(cross_entropy, class_weights=class_weights, label_smoothing=self.label_smoothing)


@component("focal")
class Focal(Loss):
    """Cross entropy that down-weights well-classified samples (Lin et al. 2017, equation 5)."""

    gamma: float = param(default=2.0, ge=0, help="Focusing parameter: weight (1 - p) ** gamma; 0 is cross entropy.")

    def build(self, *, class_weights: Tensor | None) -> PerSampleLoss:
        """Return logits (B, K), targets (B,) or (B, K) -> (B,)."""
        from functools import partial

        from cellcls.builtin.losses.functions import focal

        return partial(focal, class_weights=class_weights, gamma=self.gamma)
