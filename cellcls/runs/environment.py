"""What reproducibility depends on besides the recipe and the data."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

from cellcls.registry import Registry
from cellcls.runs.records import EnvironmentRecord

_LIBRARIES = ("cellcls", "torch", "torchvision", "timm", "kornia", "captum", "numpy", "pillow", "safetensors")


def environment(registry: Registry) -> EnvironmentRecord:
    """Return the versions; the engine adds device, precision, threads and processes."""
    versions = {name: _version(name) for name in _LIBRARIES}
    plugins = {name: version for name, version in registry.distributions().items() if name != "cellcls"}
    return EnvironmentRecord(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        versions={name: version for name, version in versions.items() if version},
        plugins=plugins,
        commit=_commit(),
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout that cellcls runs from; None if it is installed, or without git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
