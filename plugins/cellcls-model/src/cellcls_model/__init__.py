"""A trained model of the eight blood cell classes, as files of this package."""

from __future__ import annotations

from pathlib import Path

from cellcls.api import TrainedModel, hookimpl

_HERE = Path(__file__).parent


@hookimpl
def cellcls_models() -> list[TrainedModel]:
    """Offer the model."""
    return [
        TrainedModel(
            name="blood_cells",
            title="Eight classes of cells in peripheral blood, May-Gruenwald-Giemsa stain",
            weights=_HERE / "model.safetensors",
            card=_HERE / "card.md",
        )
    ]
