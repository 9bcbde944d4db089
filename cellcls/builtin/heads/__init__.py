"""Heads: from the feature map to one logit per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from cellcls.api import Head, component, param

if TYPE_CHECKING:
    from torch import nn


@component("linear")
class Linear(Head):
    """Pooling and one dense layer."""

    pool: Literal["average", "flatten"] = param(default="average", help="How the map is reduced to a vector.")
    dropout: float = param(default=0.0, ge=0, lt=1, help="Share of features dropped while training.")

    def build(self, *, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
        """Return a module from a map (B, ``channels``, h, w) to logits (B, ``num_classes``)."""
        from cellcls.builtin.heads.layers import mlp

        return mlp(channels, size, num_classes, hidden=(), pool=self.pool, dropout=self.dropout)


@component("mlp")
class Mlp(Head):
    """Pooling and several dense layers with ReLU between them (report, section 4.1)."""

    hidden: tuple[int, ...] = param(default=(512, 256), ge=1, help="Width of each dense layer before the last.")
    pool: Literal["average", "flatten"] = param(default="average", help="How the map is reduced to a vector.")
    dropout: float = param(default=0.0, ge=0, lt=1, help="Share of features dropped before each dense layer.")

    def build(self, *, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
        """Return a module from a map (B, ``channels``, h, w) to logits (B, ``num_classes``)."""
        from cellcls.builtin.heads.layers import mlp

        return mlp(channels, size, num_classes, hidden=self.hidden, pool=self.pool, dropout=self.dropout)


@component("inception")
class Inception(Head):
    """An Inception block on the map, then pooling and dense layers (Szegedy et al. 2015, figure 2b; report, section 3).

    Branches: 1x1 64; 1x1 48 to 3x3 64; 1x1 16 to 5x5 32; 3x3 maximum to 1x1 32; each convolution with ReLU.
    """

    hidden: tuple[int, ...] = param(default=(), ge=1, help="Width of each dense layer before the last.")
    dropout: float = param(default=0.3, ge=0, lt=1, help="Share of features dropped before each dense layer.")

    def build(self, *, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
        """Return a module from a map (B, ``channels``, h, w) to logits (B, ``num_classes``)."""
        from cellcls.builtin.heads.layers import inception

        return inception(channels, num_classes, hidden=self.hidden, dropout=self.dropout)
