"""Checks every component must pass: ``class TestMine(ComponentTests): plugin = "cellcls_mine"`` is a whole test file.

A plugin's tests get them for free, and cellcls's own components pass the same ones.
"""

from cellcls.testing.base import ComponentTests
from cellcls.testing.kinds import CHECKS, KindChecks, example_source
from cellcls.testing.runs import assert_equal_runs, run_recipe, without_times

__all__ = [
    "CHECKS",
    "ComponentTests",
    "KindChecks",
    "assert_equal_runs",
    "example_source",
    "run_recipe",
    "without_times",
]
