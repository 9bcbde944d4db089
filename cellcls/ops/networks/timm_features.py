"""Turns a timm network into a feature extractor and determines, by a dry run, what freezing and heat maps need."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from cellcls.errors import RecipeError
from cellcls.ops.networks.call_order import Call, record_calls


@attrs.frozen
class FeatureMap:
    """A network truncated to its feature map. The fields are those of ``cellcls.api.Features``."""

    module: nn.Module
    channels: int
    weighted: tuple[str, ...]
    layers: tuple[str, ...]
    grid: Callable[[Tensor], Tensor] | None


def feature_map(model: nn.Module, *, size: int, name: str) -> FeatureMap:
    """Truncate ``model`` (of timm, on any device, also meta) to its feature map (B, C, h, w) and describe it.

    ``model`` is modified in place: ``forward`` returns the map, and modules that the map does not depend on (the
    classifier, layers after the last map) are removed, so that every parameter has a gradient. Raises ``RecipeError``
    if it does not accept images of ``size`` x ``size`` pixels or has no feature map.
    """
    calls, output = _dry_run(model, size, name)
    _refuse_no_map(output, name)
    called = [call.name for call in calls]
    for child in _unused_children(model, called, size):
        setattr(model, child, nn.Identity())
    reshape = _reshaping(model, output)
    _set_forward(model, reshape)
    try:
        channels = (reshape(output) if reshape else output).shape[1]
    except ValueError as error:
        raise RecipeError(f"timm's `{name}` gives no map of features: {error}", "choose another `model`") from error
    weighted = tuple(_in_call_order(model, called))
    return FeatureMap(model, channels, weighted, tuple(_map_layers(model, calls)), reshape)


def _refuse_no_map(output: object, name: str) -> None:
    if isinstance(output, Tensor) and output.ndim in (3, 4):
        return
    shape = "several tensors" if not isinstance(output, Tensor) else f"a tensor of shape {tuple(output.shape)}"
    raise RecipeError(f"timm's `{name}` gives no map of features: it gives {shape}", "choose another `model`")


def to_grid(tokens: Tensor, *, prefix: int) -> Tensor:
    """Reshape tokens (B, prefix + h*w, C) of a square image to a map (B, C, h, w), dropping the prefix tokens."""
    grid = tokens[:, prefix:]
    side = math.isqrt(grid.shape[1])
    if side * side != grid.shape[1]:
        raise ValueError(f"{grid.shape[1]} tokens do not form a square")
    return grid.transpose(1, 2).reshape(grid.shape[0], grid.shape[2], side, side)


def to_channels_first(x: Tensor) -> Tensor:
    """Reorder (B, h, w, C) to (B, C, h, w)."""
    return x.permute(0, 3, 1, 2)


def _dry_run(model: nn.Module, size: int, name: str) -> tuple[list[Call], Tensor]:
    """Run the network once and record the calls of its submodules."""
    outputs: list[Tensor] = []
    try:
        with torch.no_grad():
            calls = record_calls(model, lambda: outputs.append(_eval_output(model, size)))
    except Exception as error:  # networks are arbitrary code
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecipeError(
            f"timm's `{name}` takes no images of {size} x {size} pixels: {reason}", "change input.size or the model"
        ) from error
    return calls, outputs[0]


def _eval_output(model: nn.Module, size: int) -> Tensor:
    example = torch.zeros(1, 3, size, size, device=next(model.parameters()).device)
    training = [module for module in model.modules() if module.training]
    try:
        output: Tensor = model.eval().forward_features(example)  # type: ignore[operator]
        return output
    finally:
        for module in training:
            module.training = True


def _unused_children(model: nn.Module, called: list[str], size: int) -> list[str]:
    """Return the children with parameters that the map does not depend on. Some are used without being called (a rotary
    embedding), so the gradient decides; it is requested for the parameters of these children only, which is cheap."""
    children = {name.split(".")[0] for name in called}
    idle = [name for name, part in model.named_children() if name not in children and list(part.parameters())]
    if not idle:
        return []
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    unused = []
    for name in idle:
        model.requires_grad_(False).get_submodule(name).requires_grad_(True)
        if not _eval_output(model, size).requires_grad:
            unused.append(name)
    for parameter, before in wanted.items():
        parameter.requires_grad_(before)
    return unused


def _reshaping(model: nn.Module, output: Tensor) -> Callable[[Tensor], Tensor] | None:
    if output.ndim == 3:
        return partial(to_grid, prefix=int(getattr(model, "num_prefix_tokens", 0)))
    return to_channels_first if getattr(model, "output_fmt", "NCHW") == "NHWC" else None


def _set_forward(model: nn.Module, reshape: Callable[[Tensor], Tensor] | None) -> None:
    """Replace ``forward`` of ``model``: a wrapper module would add a prefix to the name of every layer."""

    def forward(self: nn.Module, images: Tensor) -> Tensor:
        features: Tensor = self.forward_features(images)  # type: ignore[operator]
        return reshape(features) if reshape else features

    model.__dict__["forward"] = MethodType(forward, model)


def has_weights(module: nn.Module) -> bool:
    """Return whether ``module`` itself (not its children) has parameters or persistent buffers."""
    kept = set(module._buffers) - module._non_persistent_buffers_set
    return any(value is not None for value in module._parameters.values()) or any(
        module._buffers[name] is not None for name in kept
    )


def _in_call_order(model: nn.Module, called: list[str]) -> Iterator[str]:
    """Yield modules with weights of their own in call order; modules that are not called precede their parent.

    Parameters of the network itself (class token, position embedding) are used at its input, so ``""`` comes first.
    """
    modules = dict(model.named_modules())
    seen = {""}
    if has_weights(model):
        yield ""
    for name in called:
        inner = [other for other in modules if other.startswith(f"{name}.")]
        for other in [*inner, name]:
            if other not in seen and has_weights(modules[other]):
                yield other
            seen.add(other)


def _map_layers(model: nn.Module, calls: list[Call]) -> Iterator[str]:
    """Yield the layers whose outputs are maps: all blocks, stages listed by timm, and the last, once per output."""
    modules = dict(model.named_modules())
    listed = {info["module"] for info in getattr(model, "feature_info", ())}
    last = next(call.name for call in reversed(calls) if "." not in call.name)
    seen: list[Any] = []
    for call in calls:
        block = re.search(r"\.\d+$", call.name) is not None and any(modules[call.name].children())
        if not (block or call.name in listed or call.name == last):
            continue
        is_map = isinstance(call.output, Tensor) and call.output.ndim in (3, 4)
        if is_map and not any(call.output is other for other in seen):
            seen.append(call.output)
            yield call.name
