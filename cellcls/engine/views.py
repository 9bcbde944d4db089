"""Views of an image for test-time augmentation: mirror images and quarter turns, the mean of whose probabilities counts
(report, section 4.1: it did not help)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

View = Callable[[Tensor], Tensor]

SETS: Mapping[str, Mapping[str, View]] = {
    "flips": {
        "flip_horizontal": lambda images: images.flip(3),
        "flip_vertical": lambda images: images.flip(2),
    },
    "turns": {f"turn_{90 * turns}": partial(torch.rot90, k=turns, dims=(2, 3)) for turns in (1, 2, 3)},
}
"""Each on images (B, 3, S, S)."""


def views(names: tuple[str, ...]) -> dict[str, View]:
    """Return the image as it is and every view of the named sets, by name."""
    return {"as_it_is": lambda images: images} | {name: view for which in names for name, view in SETS[which].items()}
