"""Weight files: safetensors only, as pickles can execute code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cellcls.errors import DataError
from cellcls.ops.networks.shapes import refuse_other_shapes
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file onto the CPU.

    Raises ``DataError`` for any other file, including ``.pth`` and ``.bin``: these are pickles, which can execute code.
    """
    if path.suffix != ".safetensors":
        raise DataError(
            f"{path}: weights are read from safetensors files only; a {path.suffix or 'file without a suffix'} may "
            "contain code that runs when it is loaded",
            f"if you trust it, convert it: safetensors.torch.save_file(torch.load({path.name!r}, weights_only=True), "
            f"{path.with_suffix('.safetensors').name!r})",
        )
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as safetensors: {error}", "fetch or export the file again") from error


def load_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Load all weights of ``module``; tensors that it does not have (a classifier) are ignored.

    Raises ``DataError`` naming the first tensor that is missing or has another shape, leaving ``module`` unchanged.
    """
    own, given = ({name: tuple(value.shape) for name, value in of.items()} for of in (module.state_dict(), tensors))
    refuse_other_shapes(own, given, source=source)
    module.load_state_dict(dict(tensors), strict=False)


def save_half(source: Path, target: Path) -> None:
    """Write a copy of a weights file in half precision, with the same metadata: half the size.

    Only matrices and kernels of backbone and head are converted: vectors (biases, the statistics of BatchNorm) are
    small, and a variance can be too large or too small for float16. ``load_weights`` copies all into float32. Raises
    ``DataError`` for other files, and where a weight is too large for float16.
    """
    file = open_tensors(source)
    halved = {name: _half(name, tensor) for name, tensor in file.read().items()}
    for name, tensor in halved.items():
        if not torch.isfinite(tensor).all():
            raise DataError(f"{source}: `{name}` has values that float16 does not hold", "keep this file in float32")
    save_tensors(target, halved, file.about)


def _half(name: str, tensor: Tensor) -> Tensor:
    converted = name.startswith(("backbone.", "head.")) and tensor.ndim > 1 and tensor.dtype == torch.float32
    return tensor.half() if converted else tensor
