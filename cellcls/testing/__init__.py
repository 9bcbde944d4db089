"""Tests that every component must pass: ``class TestMine(ComponentTests): plugin = "cellcls_mine"`` runs all of them.
``ModelTests`` are those of a plugin that brings a trained model.

They are for the tests of plugins; the components of cellcls itself pass the same ones.
"""

from cellcls.testing.base import ComponentTests
from cellcls.testing.kinds import CHECKS, KindChecks, example_source
from cellcls.testing.models import ModelTests
from cellcls.testing.runs import TINY, assert_equal_runs, command, run_recipe, without_times, write_recipe

__all__ = [
    "CHECKS",
    "TINY",
    "ComponentTests",
    "KindChecks",
    "ModelTests",
    "assert_equal_runs",
    "command",
    "example_source",
    "run_recipe",
    "without_times",
    "write_recipe",
]
