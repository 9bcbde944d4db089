"""Grad-CAM of any layer with maps, tokens or channels-last output, also with frozen layers and in-place operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

Grid = Callable[[Tensor], Tensor]


def grad_cam(network: nn.Module, layer: nn.Module, grid: Grid | None, images: Tensor, classes: Tensor) -> Tensor:
    """Return the heat maps (B, h, w), float32, >= 0, of ``classes`` (B,) at ``layer``.

    ``network`` runs in eval mode, its modes are restored, and no gradient reaches its parameters.
    """
    tap = nn.Identity()
    with torch.inference_mode(False), torch.enable_grad(), _evaluating(network), _tapping(layer, tap, grid):
        # the input requires gradients, as parameters of frozen layers do not
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
    """Route the output of ``layer`` through ``tap`` as a map (B, C, h, w) and back to its original shape."""

    def route(_layer: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        # copies protect the tensors that captum holds from in-place operations
        if grid is None:
            tapped: Tensor = tap(output.clone())
            return tapped.clone()
        places = torch.arange(output[0].numel(), device=output.device).view_as(output[:1])
        return output.flatten(1).index_copy(1, grid(places).flatten(), tap(grid(output)).flatten(1)).view_as(output)

    hook = layer.register_forward_hook(route)
    try:
        yield
    finally:
        hook.remove()
