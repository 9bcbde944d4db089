"""Corruptions of test images, implemented in ``cellcls.ops.imaging.corruptions``."""

from cellcls.builtin.corruptions.competition import Competition
from cellcls.builtin.corruptions.medmnist_c import (
    BrightnessDown,
    BrightnessUp,
    Bubble,
    ContrastDown,
    ContrastUp,
    Defocus,
    Jpeg,
    Motion,
    Pixelate,
    Saturate,
    StainDeposit,
)

__all__ = [
    "BrightnessDown",
    "BrightnessUp",
    "Bubble",
    "Competition",
    "ContrastDown",
    "ContrastUp",
    "Defocus",
    "Jpeg",
    "Motion",
    "Pixelate",
    "Saturate",
    "StainDeposit",
]
