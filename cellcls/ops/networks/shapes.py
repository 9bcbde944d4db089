"""The shapes of a network's tensors, found before there is any memory for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cellcls.errors import CellclsError, DataError

Shapes = Mapping[str, tuple[int, ...]]

_DRAWS = frozenset({Tensor.normal_, Tensor.uniform_})


class _WithoutDraws(TorchFunctionMode):
    """Leaves tensors undrawn: there are no values on the meta device, whose ``normal_`` imports torch's compiler."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        return args[0] if func in _DRAWS else func(*args, **(kwargs or {}))


def shapes_of(build: Callable[[], nn.Module], source: str) -> Shapes | None:
    """Return the shapes in the state dict of the network that ``build`` makes, from a run on torch's meta device.

    None for a network that looks at values while it is made, which only a plugin's does. Raises what ``build`` raises
    as errors of cellcls, and ``DataError`` for any other: no network has such settings. ``source`` is whose they are.
    """
    try:
        with torch.device("meta"), _WithoutDraws():
            return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    except CellclsError:
        raise
    except Exception as error:  # a plugin's code, or numbers beyond what torch can count
        if isinstance(error, NotImplementedError) or "meta tensor" in str(error):
            return None
        raise DataError(f"{source}: its network cannot be built: {str(error).splitlines()[0][:200]}") from error


def refuse_other_shapes(wanted: Shapes, given: Shapes, *, source: str) -> None:
    """Raise ``DataError`` naming the first wanted tensor that is missing or has another shape."""
    for name, shape in wanted.items():
        if name not in given:
            if name.endswith("num_batches_tracked"):
                continue
            raise DataError(f"{source}: lacks `{name}`: these are the weights of another network")
        if given[name] != shape:
            raise DataError(
                f"{source}: `{name}` has shape {given[name]}, expected {shape}: "
                "these are the weights of another network"
            )
