"""The losses as functions of logits (B, K), of any float type, and targets: classes (B,) or shares (B, K)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, targets: Tensor, *, class_weights: Tensor | None, label_smoothing: float) -> Tensor:
    """Return ``-w[y] * log p[y]`` of each sample (B,), float32. A soft target weighs each class's term."""
    scores, shares = logits.float(), _as_shares(targets)
    weight = None if class_weights is None else class_weights.to(scores)
    return F.cross_entropy(scores, shares, weight=weight, reduction="none", label_smoothing=label_smoothing)


def focal(logits: Tensor, targets: Tensor, *, class_weights: Tensor | None, gamma: float) -> Tensor:
    """Return ``-w[y] * (1 - p[y]) ** gamma * log p[y]`` of each sample (B,), float32; with soft targets their mean."""
    log_p = logits.float().log_softmax(dim=1)
    shares = _as_shares(targets, classes=logits.shape[1])
    if class_weights is not None:
        shares = shares * class_weights.to(log_p)
    # at p = 1 the slope of 0 ** gamma is infinite for gamma < 1
    rest = -log_p.expm1().clamp(max=-1e-7)
    return -(shares * rest**gamma * log_p).sum(dim=1)


def _as_shares(targets: Tensor, classes: int | None = None) -> Tensor:
    """Return soft targets as float32; hard ones too where ``classes`` is given, else as they are."""
    if targets.is_floating_point():
        return targets.float()
    return targets.long() if classes is None else F.one_hot(targets.long(), classes).float()
