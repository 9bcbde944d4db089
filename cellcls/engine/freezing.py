"""What a stage freezes, and the mode that the network trains in."""

from __future__ import annotations

from torch import nn
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
