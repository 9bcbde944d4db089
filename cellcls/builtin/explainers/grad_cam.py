"""Grad-CAM of any layer: maps, tokens and channels-last maps alike, whatever is frozen or works in place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

Grid = Callable[[Tensor], Tensor]


def grad_cam(network: nn.Module, layer: nn.Module, grid: Grid | None, images: Tensor, classes: Tensor) -> Tensor:
    """Return the heat of ``classes`` (B,) on ``layer``'s map: (B, h, w), float32, >= 0.

    ``network`` runs in eval mode and is left as it was found; no gradient reaches its parameters.
    """
    tap = nn.Identity()
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(network), _tapping(layer, tap, grid):
        # the input asks for gradients, as frozen layers have no parameter that does
        inputs = images.detach().clone().float().requires_grad_()
        heat: Tensor = LayerGradCam(network, tap).attribute(inputs, target=classes, relu_attributions=True)
    return heat.detach().squeeze(1).float()


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _tapping(layer: nn.Module, tap: nn.Module, grid: Grid | None) -> Iterator[None]:
    """Lead ``layer``'s output through ``tap`` as a map (B, C, h, w) and back into its own shape."""

    def lead(_layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # the copies keep what captum holds from operations in place, before and after
        if grid is None:
            tapped: Tensor = tap(output.clone())
            return tapped.clone()
        places = torch.arange(output[0].numel(), device=output.device).view_as(output[:1])
        return output.flatten(1).index_copy(1, grid(places).flatten(), tap(grid(output)).flatten(1)).view_as(output)

    hook = layer.register_forward_hook(lead)
    try:
        yield
    finally:
        hook.remove()
