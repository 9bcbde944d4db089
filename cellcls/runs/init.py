"""Finds the run whose weights a recipe starts from (``[init] from``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from cellcls.api import changed
from cellcls.errors import MissingInputError, RecipeError
from cellcls.ops.storage.paths import expanded
from cellcls.recipe import Init, Loaded
from cellcls.recipe.backslashes import misread
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.inputs import Inputs, find_inputs
from cellcls.runs.options import Options

RUNS = Path("runs")


def find_all(loaded: Loaded, registry: Registry, options: Options) -> Inputs:
    """Return the inputs of a single run, with the run it starts from. Raises what is wrong with them."""
    return find_init(find_inputs(loaded.recipe, loaded.file, registry, options), loaded.file)


def find_init(inputs: Inputs, recipe_file: Path, planned: Mapping[str, Path] | None = None) -> Inputs:
    """Return the inputs with the run to start from, written into the recipe as an absolute path.

    ``planned``: the folders of earlier runs of the same command by recipe name; they need not exist yet.
    Raises ``MissingInputError`` if no run is found, ``RecipeError`` if the setting is not a path.
    """
    wanted = inputs.recipe.init.from_
    if wanted is None:
        return inputs
    if wrong := misread(wanted):
        raise RecipeError(f"{recipe_file}: [init] from {wrong[0]}", wrong[1])
    earlier = (planned or {}).get(wanted)
    found = earlier or next((path for path in _places(wanted, recipe_file) if _has_weights(path)), None)
    if found is None:
        found = max(_runs_of(wanted), key=lambda run: RunFolder(run).best.stat().st_mtime_ns, default=None)
    if found is None:
        raise MissingInputError(
            f"{recipe_file}: [init] from = `{wanted}`: no such run, or it has no complete epoch",
            f"looked for: {', '.join(map(str, _places(wanted, recipe_file)))}, {RUNS}/{wanted}-N, {RUNS}/*/{wanted}",
            "create it: cellcls run RECIPE; or use another: --set init.from=RUN",
            f"to test the recipe without it: cellcls run {recipe_file} --rehearse",
        )
    return attrs.evolve(inputs, recipe=changed(inputs.recipe, init=Init(from_=str(found.resolve()))))


def _places(wanted: str, recipe_file: Path) -> Iterator[Path]:
    path = expanded(wanted)
    yield path
    if not path.is_absolute():
        yield recipe_file.parent / path


def _has_weights(path: Path) -> bool:
    return path.is_file() if path.suffix == ".safetensors" else RunFolder(path).best.is_file()


def _runs_of(name: str) -> list[Path]:
    """Return the runs of a recipe below ``runs/``, including those in folders of several runs."""
    single = re.compile(rf"{re.escape(name)}-\d+")
    below = [path for path in RUNS.glob("*") if single.fullmatch(path.name)] if RUNS.is_dir() else []
    if RUNS.is_dir() and re.fullmatch(r"[\w.-]+", name):
        below += RUNS.glob(f"*/{name}")
    return [path for path in below if _has_weights(path)]
