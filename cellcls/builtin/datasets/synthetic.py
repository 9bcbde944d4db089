"""The synthetic data set: rendered blood cells, so that everything works without a download."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcls.api import Dataset, Input, component, param

if TYPE_CHECKING:
    from pathlib import Path

    from cellcls.builtin.datasets.rendered import RenderedCells


@component("synthetic")
class Synthetic(Dataset):
    """Rendered cells of the eight classes among red cells, with options to plant faults of real data sets.

    It shows that a recipe works and what cleaning achieves; results do not transfer to real cells.
    """

    images_per_class: int = param(default=200, ge=1, help="Number of cells of each class, before imbalance.")
    seed: int = param(default=0, ge=0, help="Seed of the cells; each seed gives different ones.")
    imbalance: float = param(
        default=0.0,
        ge=0,
        lt=1,
        help="Share by which the last class is smaller than the first, declining geometrically.",
    )
    conflicting: float = param(
        default=0.0, ge=0, le=1, help="Share of the cells that are copied under the label of their look-alike."
    )
    copies: int = param(default=3, ge=1, help="Number of copies of each conflicting cell.")
    outliers: int = param(default=0, ge=0, help="Number of copies of an image that is not a cell, under random labels.")

    @classmethod
    def for_rehearsal(cls) -> Synthetic:
        """Return 24 cells per class."""
        return cls(images_per_class=24)

    def build(self, *, path: Path | None, input: Input, cache: Path) -> RenderedCells:
        """Render the images at ``input.size`` once into ``cache`` and open them. Raises ``WriteError``."""
        from cellcls.builtin.datasets.rendered import RenderedCells

        return RenderedCells(
            images_per_class=self.images_per_class,
            seed=self.seed,
            imbalance=self.imbalance,
            conflicting=self.conflicting,
            copies=self.copies,
            outliers=self.outliers,
            size=input.size,
            cache=cache,
        )
