"""What a plugin may use: components, their kinds, the events of a run and the hooks.

Neither torch nor numpy is imported here: ``Groups``, whose methods need numpy, is imported when it is used, and so is
``events``, which most plugins need in annotations only.
"""

from typing import TYPE_CHECKING, Any

from cellcls.api.component import Component, Param, changed, component, param, section
from cellcls.api.files import files, with_files
from cellcls.api.hooks import hookimpl
from cellcls.api.input import Input
from cellcls.api.kinds import (
    KINDS,
    Augmentation,
    Backbone,
    BadImage,
    Callback,
    Choice,
    Cleaner,
    Corruption,
    Dataset,
    Decision,
    Download,
    Explainer,
    Features,
    Head,
    Launcher,
    Loss,
    Optimizer,
    PerSampleLoss,
    RunView,
    Schedule,
    Search,
    Source,
    StageHistory,
    Trial,
    Value,
    WantedWeights,
    WeightPlaces,
    WrappedSource,
    settings,
)
from cellcls.api.models import TrainedModel
from cellcls.api.operations import Batch, Colour, Geometric, Mix

if TYPE_CHECKING:
    from cellcls.api import events
    from cellcls.ops.curation.copies import Groups

__all__ = [
    "KINDS",
    "Augmentation",
    "Backbone",
    "BadImage",
    "Batch",
    "Callback",
    "Choice",
    "Cleaner",
    "Colour",
    "Component",
    "Corruption",
    "Dataset",
    "Decision",
    "Download",
    "Explainer",
    "Features",
    "Geometric",
    "Groups",
    "Head",
    "Input",
    "Launcher",
    "Loss",
    "Mix",
    "Optimizer",
    "Param",
    "PerSampleLoss",
    "RunView",
    "Schedule",
    "Search",
    "Source",
    "StageHistory",
    "TrainedModel",
    "Trial",
    "Value",
    "WantedWeights",
    "WeightPlaces",
    "WrappedSource",
    "changed",
    "component",
    "events",
    "files",
    "hookimpl",
    "param",
    "section",
    "settings",
    "with_files",
]


def __getattr__(name: str) -> Any:
    if name == "events":
        from importlib import import_module

        return import_module("cellcls.api.events")
    if name == "Groups":
        from cellcls.ops.curation.copies import Groups

        return Groups
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
