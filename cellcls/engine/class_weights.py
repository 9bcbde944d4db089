"""The weights of the classes in the loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellcls.engine.data import Data
from cellcls.errors import RecipeError
from cellcls.recipe import Recipe


def class_weights(recipe: Recipe, data: Data) -> NDArray[np.float64] | None:
    """Resolve ``class_weights`` (K,), None: unweighted; balanced is N / (K * n_c) over the training part (report,
    section 3). Raises ``RecipeError`` where they fit the classes badly, or leave nothing to learn."""
    wanted = recipe.loss.class_weights
    if wanted == "none":
        return None
    counts = data.counts(data.parts["train"])
    if wanted == "balanced":
        return balanced_weights(counts)
    if len(wanted) != len(data.classes):
        raise RecipeError(f"`class_weights` has {len(wanted)} numbers, and there are {len(data.classes)} classes")
    weights = np.array(wanted, np.float64)
    if not weights[counts > 0].any():
        raise RecipeError(
            "`class_weights` is 0 for every class that has training images: there is nothing to learn",
            'give two classes or more a weight above 0, or say class_weights = "balanced" in [loss]',
        )
    return weights


def balanced_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return N / (K * n_c) for class counts (K,); 0 for a class without images."""
    weights = np.zeros(len(counts))
    weights[counts > 0] = counts.sum() / (len(counts) * counts[counts > 0])
    return weights
