"""Fixtures of the tests of recipes."""

from __future__ import annotations

from importlib import metadata

import pytest

from cellcls.registry import Registry, load_registry


@pytest.fixture(scope="session")
def builtins() -> Registry:
    """The components cellcls ships, whatever plugins are installed: messages list them."""
    return load_registry(metadata.entry_points(group="cellcls", name="builtin"))
