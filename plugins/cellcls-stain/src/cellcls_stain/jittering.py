"""More or less of each stain of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cellcls.api import Batch
from cellcls.ops.draws import between
from cellcls_stain.estimating import estimated
from cellcls_stain.mixing import inverse, mixing_matrix, optical_density, remix, unit_vectors, unmix


def jitter(
    strength: float, vectors: Sequence[Sequence[float]] | None, *, otherwise: Sequence[Sequence[float]]
) -> Batch:
    """Return the operation on two or three stains; None: the two of each image, ``otherwise`` where it has none."""
    given = unit_vectors(vectors or otherwise)
    matrix = mixing_matrix(given)
    unmixing, count = inverse(matrix), len(given)

    def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        mixing, back = matrix.to(images.device), unmixing.to(images.device)
        if vectors is None:
            mixing = mixing_matrix(estimated(optical_density(images), given.to(images.device)))
            back = inverse(mixing)
        change = between(draws, -strength, strength)[:, :, None, None]
        stains = unmix(images, back)
        jittered = stains[:, :count] * (1 + change[:, :count]) + change[:, count:]
        return remix(torch.cat([jittered, stains[:, count:]], dim=1), mixing), targets

    return Batch(draws=2 * count, apply=apply)
