"""Stain jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellcls.api import Augmentation, Batch, Component, component, hookimpl, param

if TYPE_CHECKING:
    from torch import Tensor

Vector = tuple[float, float, float]

GIEMSA: tuple[Vector, Vector] = ((0.489, 0.843, 0.223), (0.269, 0.573, 0.774))
"""May-Gruenwald-Giemsa: estimated by ``cellcls.ops.stain.stain_vectors`` from 1,195 real cells (see the README)."""


@component("stain_jitter")
class StainJitter(Augmentation):
    """More or less of each dye: concentrations times 1 + a plus b, with a and b drawn for each image and stain
    (Tellez et al., IEEE TMI 37, 2018, section III-B)."""

    strength: float = param(default=0.1, ge=0, le=1, help="How far a and b may be from 0.")
    vectors: tuple[Vector, Vector] = param(
        default=GIEMSA, ge=0, help="Optical density of two stains in red, green, blue; what is left over is kept."
    )

    def __attrs_post_init__(self) -> None:
        """Refuse stains that cannot be told apart. Raises ``ValueError``."""
        (a, b, c), (x, y, z) = self.vectors
        crossed = (b * z - c * y, c * x - a * z, a * y - b * x)
        sizes = (a * a + b * b + c * c) * (x * x + y * y + z * z)
        if sum(value * value for value in crossed) < 0.01 * sizes or not sizes:
            raise ValueError("`vectors` must be two stains at least six degrees apart")

    def build(self, *, size: int) -> Batch:
        """Return the jitter."""
        from cellcls.ops.draws import between
        from cellcls_stain.mixing import mixing_matrix, remix, unmix

        matrix = mixing_matrix(self.vectors)

        def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
            own = matrix.to(images.device)
            change = between(draws, -self.strength, self.strength)[:, :, None, None]
            stains = unmix(images, own)
            jittered = stains[:, :2] * (1 + change[:, :2]) + change[:, 2:]
            stains = stains.clone()
            stains[:, :2] = jittered
            return remix(stains, own), targets

        return Batch(draws=4, apply=apply)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the augmentation."""
    return [StainJitter]
