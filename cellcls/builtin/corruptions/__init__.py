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
from cellcls.builtin.corruptions.shifts import Cast, Dust, Glass, Haze, Speckle, UnevenLight

__all__ = [
    "BrightnessDown",
    "BrightnessUp",
    "Bubble",
    "Cast",
    "Competition",
    "ContrastDown",
    "ContrastUp",
    "Defocus",
    "Dust",
    "Glass",
    "Haze",
    "Jpeg",
    "Motion",
    "Pixelate",
    "Saturate",
    "Speckle",
    "StainDeposit",
    "UnevenLight",
]
