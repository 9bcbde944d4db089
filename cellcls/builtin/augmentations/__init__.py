"""Random changes of training images. The mathematics is in ``cellcls.ops``; torch is imported inside ``build``.

Default strengths are those the report's pipeline is read with (recipe ``augmentation``).
"""

from cellcls.builtin.augmentations.colour import Brightness, ChannelGains, Contrast, Gamma, Hue, Saturation
from cellcls.builtin.augmentations.geometry import Crop, Flip, QuarterTurn, Rotate, Shear, Translate, Zoom
from cellcls.builtin.augmentations.kornia_class import Kornia
from cellcls.builtin.augmentations.mixing import CutMix, Mixup
from cellcls.builtin.augmentations.policies import AugMix, RandAugment, TrivialAugment
from cellcls.builtin.augmentations.quality import Blur, Clahe, Downscale, Erase, Noise

__all__ = [
    "AugMix",
    "Blur",
    "Brightness",
    "ChannelGains",
    "Clahe",
    "Contrast",
    "Crop",
    "CutMix",
    "Downscale",
    "Erase",
    "Flip",
    "Gamma",
    "Hue",
    "Kornia",
    "Mixup",
    "Noise",
    "QuarterTurn",
    "RandAugment",
    "Rotate",
    "Saturation",
    "Shear",
    "Translate",
    "TrivialAugment",
    "Zoom",
]
