from __future__ import annotations

import platform
from importlib import metadata

from cellcls.registry import load_registry
from cellcls.runs.environment import environment


def test_versions_that_equality_needs():
    found = environment(load_registry())
    assert found.python == platform.python_version()
    assert found.versions["torch"] == metadata.version("torch")
    assert "cellcls" in found.versions
    assert "cellcls" not in found.plugins
