"""A plugin with a trained model, as an installed distribution, for tests."""

from __future__ import annotations

from pathlib import Path


def install(site: Path, weights: Path, plugin: str = "boxed", model: str = "some_cells") -> None:
    """Write a plugin that brings ``model``, version 2.5, into a folder of ``sys.path``."""
    (site / f"cellcls_{plugin}.py").write_text(f"""
from pathlib import Path
from cellcls.api import TrainedModel, hookimpl

@hookimpl
def cellcls_models():
    return [TrainedModel(name={model!r}, title="A few rendered cells", weights=Path({str(weights)!r}))]
""")
    info = site / f"cellcls_{plugin}-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: cellcls-{plugin}\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[cellcls]\n{plugin} = cellcls_{plugin}\n")
