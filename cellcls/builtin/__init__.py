"""The built-in components, provided through the same hook as those of any plugin."""

from __future__ import annotations

from types import ModuleType

from cellcls.api import Component, hookimpl
from cellcls.builtin import augmentations, corruptions
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
from cellcls.builtin.datasets import Folder, MedMNIST, Npz
from cellcls.builtin.datasets.synthetic import Synthetic
from cellcls.builtin.datasets.table import Table
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
        *(Npz, Folder, Table, MedMNIST, Synthetic),
        *(DropDuplicates, DropNearDuplicates, DropLeaks, DropShared),
        *(DropOutliers, DropSuspects, DropWrongLabels, Decisions, DropIndices),
        *_exported(augmentations),
        *(Timm, Cnn5),
        *(Linear, Mlp, Inception),
        *(CrossEntropy, Focal),
        *(Lion, Adam, AdamW, Sgd),
        *(Constant, Cosine, ReduceOnPlateau, OneCycle),
        EarlyStopping,
        GradCam,
        *_exported(corruptions),
        *(Random, Grid),
        Local,
    ]


def _exported(package: ModuleType) -> list[type[Component]]:
    return [getattr(package, name) for name in package.__all__]
