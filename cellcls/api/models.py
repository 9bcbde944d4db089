"""Trained models that come with a plugin."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen(kw_only=True)
class TrainedModel:
    """A trained network that a plugin brings, for ``predict`` and ``evaluate`` without a run."""

    name: str
    """In snake_case, unique among the installed models: ``--run NAME`` takes it."""
    title: str
    """A line that says what it tells apart."""
    weights: Path
    """A file like a run's ``best.safetensors``, in float32 or float16. Read when the model is used."""
    card: Path | None = None
    """The model card: data, figures, limits."""
