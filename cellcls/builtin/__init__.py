"""The built-in components, provided through the same hook as those of any plugin."""

from __future__ import annotations

from cellcls.api import Component, hookimpl
from cellcls.builtin.augmentations import (
    Blur,
    Brightness,
    Clahe,
    Contrast,
    Crop,
    CutMix,
    Downscale,
    Flip,
    Hue,
    Kornia,
    Mixup,
    QuarterTurn,
    Rotate,
    Saturation,
    Translate,
)
from cellcls.builtin.backbones import Cnn5, Timm
from cellcls.builtin.callbacks import EarlyStopping
from cellcls.builtin.cleaners import (
    Decisions,
    DropDuplicates,
    DropIndices,
    DropLeaks,
    DropNearDuplicates,
    DropOutliers,
    DropShared,
    DropSuspects,
    DropWrongLabels,
)
from cellcls.builtin.corruptions import (
    BrightnessDown,
    BrightnessUp,
    Bubble,
    Competition,
    ContrastDown,
    ContrastUp,
    Defocus,
    Jpeg,
    Motion,
    Pixelate,
    Saturate,
    StainDeposit,
)
from cellcls.builtin.datasets import Folder, MedMNIST, Npz
from cellcls.builtin.datasets.synthetic import Synthetic
from cellcls.builtin.explainers import GradCam
from cellcls.builtin.heads import Inception, Linear, Mlp
from cellcls.builtin.launchers import Local
from cellcls.builtin.losses import CrossEntropy, Focal
from cellcls.builtin.optimizers import Adam, AdamW, Lion, Sgd
from cellcls.builtin.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau
from cellcls.builtin.searches import Grid, Random


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return every built-in component, kind by kind."""
    return [
        *(Npz, Folder, MedMNIST, Synthetic),
        *(DropDuplicates, DropNearDuplicates, DropLeaks, DropShared),
        *(DropOutliers, DropSuspects, DropWrongLabels, Decisions, DropIndices),
        *(Hue, Saturation, Brightness, Contrast, Clahe),
        *(Flip, QuarterTurn, Rotate, Translate, Crop),
        *(Downscale, Blur),
        *(Mixup, CutMix, Kornia),
        *(Timm, Cnn5),
        *(Linear, Mlp, Inception),
        *(CrossEntropy, Focal),
        *(Lion, Adam, AdamW, Sgd),
        *(Constant, Cosine, ReduceOnPlateau, OneCycle),
        EarlyStopping,
        GradCam,
        *(Pixelate, Jpeg, Defocus, Motion, BrightnessUp, BrightnessDown),
        *(ContrastUp, ContrastDown, Saturate, StainDeposit, Bubble),
        Competition,
        *(Random, Grid),
        Local,
    ]
