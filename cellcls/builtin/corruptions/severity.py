"""Helpers of all corruptions: the strength at a severity, and the batch operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from cellcls.api import Batch, Corruption
from cellcls.errors import RecipeError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


def at(severity: int, strengths: Sequence[T], corruption: Corruption) -> T:
    """Return the strength at ``severity``. Raises ``RecipeError`` outside 1 to the number of strengths."""
    if not 1 <= severity <= len(strengths):
        raise RecipeError(
            f"corruption {corruption.component_name} has no severity {severity}",
            f"a severity is a whole number from 1 (mild) to {len(strengths)} (strong)",
        )
    return strengths[severity - 1]


def operation(change: Callable[[Tensor, Tensor], Tensor], draws: int = 0) -> Batch:
    """Return the operation that applies ``change(images, draws)`` to images and does not change targets."""
    return Batch(draws=draws, apply=lambda images, targets, drawn: (change(images, drawn), targets))
