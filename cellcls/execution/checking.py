"""Checks recipes: reports everything that a run would reject, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cellcls.errors import Problems
from cellcls.execution.context import Context
from cellcls.recipe import Loaded
from cellcls.runs.init import find_init
from cellcls.runs.inputs import find_inputs

if TYPE_CHECKING:
    from cellcls.engine.check import CheckedRun


def check_all(loaded: Sequence[Loaded], context: Context) -> list[CheckedRun]:
    """Return what each run would be. Raises what is wrong with any of them, in one list."""
    inputs, checked, problems = [], [], Problems()
    for number, run in enumerate(loaded):
        earlier = [earlier_run.recipe.name for earlier_run in loaded[:number]]
        with problems.collect():
            found = find_inputs(run.recipe, run.file, context.registry, context.options)
            inputs.append(found if found.recipe.init.from_ in earlier else find_init(found, run.file))
    problems.raise_any()
    from cellcls.engine.check import check_run

    for found in inputs:
        with problems.collect():
            checked.append(check_run(found, context.options, context.registry))
    problems.raise_any()
    return checked
