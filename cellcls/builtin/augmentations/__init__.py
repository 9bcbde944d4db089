"""Random changes of training images. The mathematics is in ``cellcls.ops``; torch is imported inside ``build``.

Default strengths are those the report's pipeline is read with (recipe ``augmentation``).
"""

from cellcls.builtin.augmentations.colour import Brightness, Contrast, Hue, Saturation
from cellcls.builtin.augmentations.geometry import Crop, Flip, QuarterTurn, Rotate, Translate
from cellcls.builtin.augmentations.kornia_class import Kornia
from cellcls.builtin.augmentations.mixing import CutMix, Mixup
from cellcls.builtin.augmentations.quality import Blur, Clahe, Downscale

__all__ = [
    "Blur",
    "Brightness",
    "Clahe",
    "Contrast",
    "Crop",
    "CutMix",
    "Downscale",
    "Flip",
    "Hue",
    "Kornia",
    "Mixup",
    "QuarterTurn",
    "Rotate",
    "Saturation",
    "Translate",
]
