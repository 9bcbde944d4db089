"""A backbone behind a normalisation of its images' stains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import attrs
import torch
from torch import Tensor, nn

from cellcls.api import Features
from cellcls_stain.estimating import estimated, full_amounts
from cellcls_stain.mixing import combined, inverse, mixing_matrix, optical_density, remix, unit_vectors

INNER = "inner"
"""Name of the backbone in the module: what stands before its modules' names."""


class StainNormaliser(nn.Module):
    """Maps images (B, 3, H, W) in 0..1 to the same as if stained like the target.

    ``target`` and ``amounts``: two stains and how much of each an image holds at most. ``vectors``: the stains of the
    images; None: estimated from each.
    """

    target: Tensor
    amounts: Tensor
    vectors: Tensor | None

    def __init__(
        self,
        target: Sequence[Sequence[float]],
        amounts: Sequence[float],
        vectors: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        # settings of the recipe, no weights: they stay out of the files of weights
        self.register_buffer("target", unit_vectors(target), persistent=False)
        self.register_buffer("amounts", torch.tensor(amounts), persistent=False)
        self.register_buffer("vectors", unit_vectors(vectors) if vectors else None, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalised images."""
        density = optical_density(images)
        vectors = estimated(density, self.target) if self.vectors is None else self.vectors
        stains = combined(density, inverse(mixing_matrix(vectors)))
        factors = self.amounts / full_amounts(stains, self.amounts)
        factors = torch.cat([factors, torch.ones_like(factors[:, :1])], dim=1)
        return remix(stains * factors[:, :, None, None], mixing_matrix(self.target))


class Normalised(nn.Module):
    """A backbone that sees normalised images, prepared with its own mean and deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, normaliser: StainNormaliser, features: Features) -> None:
        super().__init__()
        self.normaliser = normaliser
        self.add_module(INNER, features.module)
        self.register_buffer("mean", torch.tensor(features.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(features.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the backbone's map of images (B, 3, H, W) in 0..1."""
        prepared = (self.normaliser(images) - self.mean) / self.std
        return cast("Tensor", self.get_submodule(INNER)(prepared))


def normalised(features: Features, normaliser: StainNormaliser) -> Features:
    """Return a built backbone with the normaliser before it: the same weights and layers, under ``inner.``."""
    return attrs.evolve(
        features,
        module=Normalised(normaliser, features),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        weighted=tuple(f"{INNER}.{name}" for name in features.weighted),
        layers=tuple(f"{INNER}.{name}" for name in features.layers),
    )
