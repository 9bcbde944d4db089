"""What a stage freezes, and the mode that the network trains in."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cellcls.engine.network import Network
from cellcls.ops.networks.freezing import frozen_modules
from cellcls.recipe import Freeze, Recipe, Stage


def frozen_by(network: Network, recipe: Recipe, stage: Stage) -> tuple[str, ...]:
    """Return the names of the backbone's modules that a stage freezes. Raises ``RecipeError``."""
    depth = network.depth(recipe.backbone.network_name())
    how = stage.freeze
    if isinstance(how, Freeze):
        return frozen_modules(depth, keras_layers=how.keras_layers, fraction=how.fraction, until=how.until)
    return frozen_modules(depth, how)


def freeze(network: Network, recipe: Recipe, stage: Stage) -> tuple[str, ...]:
    """Take gradients from what the stage freezes, and from nothing else; return the frozen modules' names."""
    frozen = frozen_by(network, recipe, stage)
    network.requires_grad_(True)
    modules = dict(network.backbone.named_modules())
    for name in frozen:
        for parameter in modules[name].parameters(recurse=False):
            parameter.requires_grad_(False)
    if stage.freeze == "backbone":
        network.backbone.requires_grad_(False)
    return frozen


def set_mode(network: Network, stage: Stage, frozen: tuple[str, ...]) -> None:
    """Put the network into training mode, but for what must stay as in inference: a backbone frozen as a whole, and
    BatchNorm in frozen layers (everywhere with ``bn = "frozen"``), whose statistics would drift else."""
    network.train()
    if stage.freeze == "backbone":
        network.backbone.eval()
    backbone: nn.Module = network.backbone
    for name, module in backbone.named_modules():
        if isinstance(module, _BatchNorm) and (stage.bn == "frozen" or name in frozen):
            module.eval()


@torch.no_grad()
def needing_two(network: Network, recipe: Recipe, stage: Stage) -> tuple[str, ...]:
    """Return the names of the BatchNorm layers that a stage trains on one value a channel of each image: of one image
    alone they know no spread, and torch refuses it."""
    set_mode(network, stage, frozen_by(network, recipe, stage))
    trained = {
        name: module for name, module in network.named_modules() if isinstance(module, _BatchNorm) and module.training
    }
    if not trained:
        return ()
    found = dict.fromkeys(trained, False)

    def look(name: str, _module: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[name] |= given[0].numel() == given[0].shape[0] * given[0].shape[1]

    hooks = [module.register_forward_pre_hook(partial(look, name)) for name, module in trained.items()]
    try:
        size = recipe.input.size
        network.eval()(torch.zeros(2, 3, size, size, device=network.mean.device))
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(name for name, lone in found.items() if lone)
