"""The tiny recipe as TOML, for tests that add to it: a few dozen rendered cells of 32 pixels, two small layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tomli_w

from cellcls.testing import TINY

RECIPE: Mapping[str, Any] = {
    **{section: TINY[section] for section in ("seed", "input")},
    "dataset": {**TINY["dataset"], "images_per_class": 10},
    "split": {"val": 0.2, "test": 0.2},
    "backbone": {**TINY["backbone"], "filters": [6, 8]},
    "train": {"batch_size": 16},
}
"""80 images: 48 to train on in 3 steps an epoch, 16 to validate, 16 to test. The head and stages are the defaults."""


ONE_EPOCH = "[[stages]]\nepochs = 1\n"


def tiny(more: str = "", **sections: Mapping[str, Any] | None) -> str:
    """Return the tiny recipe with ``more`` at its end; ``sections`` replace its own, None leaves one out."""
    changed = {**RECIPE, **sections}
    return tomli_w.dumps({name: value for name, value in changed.items() if value is not None}) + more
