"""Stain jitter and stain normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from cellcls.api import (
    Augmentation,
    Backbone,
    Batch,
    Component,
    Features,
    WantedWeights,
    WeightPlaces,
    changed,
    component,
    hookimpl,
    param,
)

Vector = tuple[float, float, float]
Two = tuple[Vector, Vector]
Three = tuple[Vector, Vector, Vector]

GIEMSA: Two = ((0.489, 0.844, 0.221), (0.274, 0.569, 0.776))
"""May-Gruenwald-Giemsa: by ``cellcls.ops.imaging.stain.stain_vectors`` from 1,196 real cells (see the README)."""
AMOUNTS = (3.12, 0.58)
"""How much of each these cells hold at most, by ``cellcls.ops.imaging.stain.stain_amounts``."""


def _refuse_alike(name: str, vectors: Sequence[Vector]) -> None:
    """Raise ``ValueError`` where a stain is less than six degrees from another, or from mixtures of two others."""
    first, second, *third = vectors
    across = _cross(first, second)
    if _size(across) < 0.01 * _size(first) * _size(second) or not _size(first) * _size(second):
        raise ValueError(f"`{name}` must be stains at least six degrees apart")
    for vector in third:
        along = sum(a * b for a, b in zip(across, vector, strict=True))
        if along**2 < 0.01 * _size(across) * _size(vector) or not _size(vector):
            raise ValueError(f"`{name}` must be stains none of which is a mixture of the others, within six degrees")


def _cross(left: Vector, right: Vector) -> Vector:
    (a, b, c), (x, y, z) = left, right
    return b * z - c * y, c * x - a * z, a * y - b * x


def _size(vector: Vector) -> float:
    return sum(value * value for value in vector)


@component("stain_jitter")
class StainJitter(Augmentation):
    """More or less of each dye: concentrations times 1 + a plus b, with a and b drawn for each image and stain
    (Tellez et al., IEEE TMI 37, 2018, section III-B)."""

    strength: float = param(default=0.1, ge=0, le=1, help="How far a and b may be from 0.")
    vectors: Literal["image"] | Two | Three = param(
        default=GIEMSA,
        ge=0,
        help="Optical density of two or three stains in red, green, blue; image: two, estimated from each image. What "
        "two leave over is kept.",
    )

    def __attrs_post_init__(self) -> None:
        """Refuse stains that cannot be told apart. Raises ``ValueError``."""
        if self.vectors != "image":
            _refuse_alike("vectors", self.vectors)

    def build(self, *, size: int) -> Batch:
        """Return the jitter."""
        from cellcls_stain.jittering import jitter

        return jitter(self.strength, None if self.vectors == "image" else self.vectors, otherwise=GIEMSA)


@component("stain_normalised")
class StainNormalised(Backbone):
    """Another backbone that sees every image as if it had been stained like the target, in training and ever after
    (Macenko et al., A method for normalizing histology slides for quantitative analysis, ISBI 2009)."""

    inner: Backbone = param(help="The backbone: a section [backbone.inner] of its own, as [backbone] would be.")
    vectors: Literal["image"] | Two = param(
        default="image", ge=0, help="Stains of the images: estimated from each, or the two of their data set."
    )
    target: Two = param(default=GIEMSA, ge=0, help="Optical density of the target's two stains in red, green, blue.")
    amounts: tuple[float, float] = param(
        default=AMOUNTS, gt=0, le=10, help="How much of each stain an image holds at most afterwards."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse stains that cannot be told apart. Raises ``ValueError``."""
        _refuse_alike("target", self.target)
        if self.vectors != "image":
            _refuse_alike("vectors", self.vectors)

    def starting(self, *, pretrained: bool) -> Self | None:
        """Return it around the inner backbone with or without its weights."""
        inner = self.inner.starting(pretrained=pretrained)
        return None if inner is None else changed(self, inner=inner)

    def network_name(self) -> str:
        """Return the name of the inner network."""
        return self.inner.network_name()

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Say what the inner backbone wants."""
        return self.inner.wants(places)

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises what the inner backbone raises."""
        from cellcls_stain.normalising import StainNormaliser, normalised

        own = None if self.vectors == "image" else self.vectors
        return normalised(self.inner.build(size=size, weights=weights), StainNormaliser(self.target, self.amounts, own))


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the augmentation and the backbone."""
    return [StainJitter, StainNormalised]
