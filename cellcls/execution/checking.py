"""Checking recipes: all that a run would refuse, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellcls.errors import Problems
from cellcls.execution.context import Context
from cellcls.recipe import Loaded
from cellcls.runs.init import find_init
from cellcls.runs.inputs import find_inputs


def check_all(loaded: Sequence[Loaded], context: Context) -> list[dict[str, Any]]:
    """Return what each run would be, as JSON data. Raises what is wrong with any of them, in one list."""
    inputs, checked, problems = [], [], Problems()
    for number, one in enumerate(loaded):
        earlier = [before.recipe.name for before in loaded[:number]]
        with problems.collect():
            own = find_inputs(one.recipe, one.file, context.registry, context.options)
            inputs.append(own if own.recipe.init.from_ in earlier else find_init(own, one.file))
    problems.raise_any()
    from cellcls.engine.check import check_run

    for found in inputs:
        with problems.collect():
            checked.append(check_run(found, context.options, context.registry))
    problems.raise_any()
    return checked
