"""The hooks of cellcls and the marker plugins put on their implementations of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cellcls.api.component import Component
    from cellcls.api.models import TrainedModel

PROJECT = "cellcls"
"""The name of the entry point group and of the pluggy project."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def cellcls_components() -> list[type[Component]]:
    """Return the component classes this plugin offers. Called once, before any recipe is read."""
    raise AssertionError("a specification; plugins implement it")


@hookspec
def cellcls_models() -> list[TrainedModel]:
    """Return the trained models this plugin brings. Their files are not opened before one is used."""
    raise AssertionError("a specification; plugins implement it")
