"""Optimizers of torch and timm, with torch's fused kernels if available: these are deterministic, and on a CPU a step
of AdamW takes a quarter of the time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cellcls.api import Optimizer, component, param

if TYPE_CHECKING:
    import torch
    from torch import nn

_BETAS = "Decay of the running means of the gradient and of its square."
_WEIGHT_DECAY = "Weight decay, decoupled from the gradient and times lr."


@component("lion")
class Lion(Optimizer):
    """The sign of a running mean of the gradient (Chen et al. 2023, algorithm 2); timm's implementation."""

    betas: tuple[float, float] = param(default=(0.9, 0.99), ge=0, lt=1, help="Decay in the step, and in the mean kept.")
    weight_decay: float = param(default=0.0, ge=0, help=_WEIGHT_DECAY)

    def state_tensors(self) -> int:
        """Return 1: the running mean of the gradient."""
        return 1

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer over the trained parameters."""
        from timm.optim.lion import Lion as TimmLion

        optimizer: torch.optim.Optimizer = TimmLion(
            list(parameters), lr=self.lr, betas=self.betas, weight_decay=self.weight_decay
        )
        return optimizer


@component("adam")
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1)."""

    betas: tuple[float, float] = param(default=(0.9, 0.999), ge=0, lt=1, help=_BETAS)
    eps: float = param(default=1e-8, gt=0, help="Added to the denominator.")
    weight_decay: float = param(default=0.0, ge=0, help="L2 penalty, added to the gradient.")

    def state_tensors(self) -> int:
        """Return 2: the running means of the gradient and of its square."""
        return 2

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer over the trained parameters."""
        from torch.optim import Adam as TorchAdam

        return TorchAdam(
            parameters, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )


@component("adamw")
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2)."""

    betas: tuple[float, float] = param(default=(0.9, 0.999), ge=0, lt=1, help=_BETAS)
    eps: float = param(default=1e-8, gt=0, help="Added to the denominator.")
    weight_decay: float = param(default=0.01, ge=0, help=_WEIGHT_DECAY)

    def state_tensors(self) -> int:
        """Return 2: the running means of the gradient and of its square."""
        return 2

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer over the trained parameters."""
        from torch.optim import AdamW as TorchAdamW

        return TorchAdamW(
            parameters, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay, fused=True
        )


@component("sgd")
class Sgd(Optimizer):
    """Stochastic gradient descent; momentum as in Sutskever et al. 2013."""

    momentum: float = param(default=0.0, ge=0, lt=1, help="Share of the last step that is kept.")
    nesterov: bool = param(default=False, help="Look ahead by the momentum first; needs one.")
    weight_decay: float = param(default=0.0, ge=0, help="L2 penalty, added to the gradient.")

    def __attrs_post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ValueError("`nesterov` needs a `momentum`, such as 0.9")

    def state_tensors(self) -> int:
        """Return 1 with momentum, else 0."""
        return int(self.momentum > 0)

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer over the trained parameters."""
        from torch.optim import SGD

        return SGD(
            parameters,
            lr=self.lr,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )
