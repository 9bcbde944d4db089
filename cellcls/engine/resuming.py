"""What must be the same for a stopped run to go on: recipe and data. What should be is compared and reported."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from cellcls.api import files
from cellcls.engine.data import Data
from cellcls.engine.device import Machine
from cellcls.errors import DataError, RecipeError
from cellcls.recipe import Recipe, flat, to_data
from cellcls.registry import Registry
from cellcls.runs.environment import environment
from cellcls.runs.folder import RunFolder
from cellcls.runs.records import DataRecord, EnvironmentRecord, read
from cellcls.runs.records import to_data as record_data

_log = logging.getLogger(__name__)
_SHOWN = 4
"""Differences that a message names at most."""


def fingerprint(recipe: Recipe) -> dict[str, object]:
    """Return all of a recipe that changes its result, by dotted name."""
    movable = _movable(recipe)
    return {name: value for name, value in flat(to_data(recipe)).items() if name not in movable}


def _movable(recipe: Recipe) -> set[str]:
    """Return the settings that name what resuming may find elsewhere: its content is compared, not its name."""
    named = {"dataset": recipe.dataset, **{f"cleaners.{at}": cleaner for at, cleaner in enumerate(recipe.cleaners)}}
    return {"init.from", *(f"{place}.{name}" for place, part in named.items() for name, _ in files(part))}


def refuse_changes(
    folder: RunFolder, before: Mapping[str, object], recipe: Recipe, data: Data, machine: Machine, registry: Registry
) -> None:
    """Refuse to go on with another recipe or other data; ``before``: the fingerprint that the state was saved with.

    A run that goes on with other images, or with the same in other parts, has trained on what it evaluates. Logs a
    warning where versions, device or threads differ: the result is then not equal bit for bit. Raises ``RecipeError``
    and ``DataError``; nothing is written.
    """
    now, movable = json.loads(json.dumps(fingerprint(recipe))), _movable(recipe)
    changes = [
        f"{key}: {_text(before.get(key))} -> {_text(now.get(key))}"
        for key in dict.fromkeys([*before, *now])
        if before.get(key) != now.get(key) and key not in movable
    ]
    if changes:
        raise RecipeError(
            f"{folder.recipe}: not the recipe that this run was started with: {_some(changes)}",
            "put it back, or run the changed recipe from its start: cellcls run RECIPE --out ANOTHER",
        )
    _refuse_other_data(folder, read(folder.data, DataRecord), data)
    _warn_of_environment(folder, machine, registry)


def _refuse_other_data(folder: RunFolder, before: DataRecord, data: Data) -> None:
    changes = []
    if before.classes != data.classes:
        changes.append(f"classes {', '.join(before.classes)} -> {', '.join(data.classes)}")
    if before.n != len(data.source):
        changes.append(f"{before.n:,} -> {len(data.source):,} images")
    if before.hash != data.hash and not changes:
        changes.append("images or labels have changed")
    parts = {part: tuple(indices.tolist()) for part, indices in data.parts.items()}
    if not changes and before.parts != parts:
        changes.append("images are in other parts (train, val, test)")
    if changes:
        raise DataError(
            f"{folder.path}: not the data that this run was started with: {'; '.join(changes)}",
            "name the same data: --data PATH",
            "or run its recipe anew on these: cellcls run RECIPE --out ANOTHER",
        )


def _warn_of_environment(folder: RunFolder, machine: Machine, registry: Registry) -> None:
    try:
        before = flat(record_data(read(folder.environment, EnvironmentRecord)))
    except DataError:
        return
    now = flat(record_data(machine.record_in(environment(registry))))
    changes = [
        f"{key}: {_text(value)} -> {_text(now.get(key))}"
        for key, value in before.items()
        if key != "commit" and value != now.get(key)
    ]
    if changes:
        _log.warning(
            "%s: goes on in another environment, so it may differ in the last bits from a run that was not stopped: %s",
            folder.path,
            _some(changes),
        )


def _some(changes: list[str]) -> str:
    more = len(changes) - _SHOWN
    return ", ".join(changes[:_SHOWN]) + (f", and {more} more" if more > 0 else "")


def _text(value: Any) -> str:
    return "nothing" if value is None else str(value)
