"""Explainers: heat maps for predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cellcls.api import Explainer, component

if TYPE_CHECKING:
    from torch import Tensor, nn


@component("grad_cam")
class GradCam(Explainer):
    """Grad-CAM (Selvaraju et al. 2017, equations 1 and 2), by captum. Works through frozen layers."""

    def build(
        self, *, network: nn.Module, layer: nn.Module, grid: Callable[[Tensor], Tensor] | None
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Return images (B, 3, H, W) in 0..1, classes (B,) -> maps (B, h, w), float32, >= 0, not normalised."""
        from functools import partial

        from cellcls.builtin.explainers.grad_cam import grad_cam

        return partial(grad_cam, network, layer, grid)
