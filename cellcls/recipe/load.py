"""Loads the typed recipes of a file: applies base, variants, seeds and ``--set``, and reports all problems at once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import attrs
from packaging.utils import canonicalize_name

from cellcls.api import Search, changed
from cellcls.errors import MissingInputError, MissingPluginError, Problems, UsageError, suggestion
from cellcls.ops.storage.paths import FILE_NAME, is_file_name
from cellcls.recipe import sweep
from cellcls.recipe.checks import check
from cellcls.recipe.expect import check_entries, structured
from cellcls.recipe.model import OUTER, Expect, Recipe
from cellcls.recipe.moved import Move, follow_moves
from cellcls.recipe.overlay import Layer, merge, set_value
from cellcls.recipe.problems import Origin, Problem, RecipeProblems, show
from cellcls.recipe.read import read
from cellcls.recipe.scan import Path, TomlTable
from cellcls.recipe.structure import INVALID, Structurer, fields_of
from cellcls.registry import Registry

_log = logging.getLogger(__name__)
_FILE_ONLY = tuple(key for key in OUTER if key != "seeds")
"""Keys that are not allowed in a variant."""
_SEEDS = "seed = 42 makes one run; seeds = [1, 2, 3] makes three, shown as mean and spread"


@attrs.frozen(kw_only=True)
class Loaded:
    """A run to execute: its recipe, the variant and file it comes from, and where each value was written."""

    recipe: Recipe
    file: FilePath
    variant: str | None
    seeded: bool
    """Whether it is one of several seeds."""
    origins: dict[Path, Origin]
    expect: tuple[Expect, ...] = ()
    """What the file expects of all its runs."""
    sweep: Search | None = None
    """The search that runs the recipe many times."""


@attrs.frozen(kw_only=True)
class _Draft:
    layer: Layer
    variant: str | None
    seed: int | None = None
    problem: Problem | None = None


def load(
    path: FilePath,
    registry: Registry,
    *,
    overrides: Sequence[str] = (),
    variant: str | None = None,
    rehearse: bool = False,
    others: Sequence[FilePath] = (),
) -> list[Loaded]:
    """Read the recipe at ``path`` and return its runs, one for each variant, seed and fold.

    ``overrides``: ``KEY=VALUE`` from the command line; ``variant``: load only this one; ``rehearse``: allow freezing
    random weights; ``others``: files of the same command, which ``[[expect]]`` may name like those next to ``path``.

    Raises ``RecipeProblems`` with all problems, ``MissingInputError``, ``MissingPluginError``, ``UsageError``.
    """
    text, layer = read(path)
    shown = [show(problem, layer.origins, text) for problem in _file_problems(layer)]
    expect, unfit = structured(layer, registry)
    search, unsearchable = sweep.structured(layer, registry)
    shown += [show(problem, layer.origins, text) for problem in (*unfit, *unsearchable)]
    loaded = []
    missing: set[str] = set()
    moves: dict[Move, None] = {}
    for draft in _drafts(layer, path, overrides, variant):
        followed, moved = follow_moves(draft.layer, registry)
        draft = attrs.evolve(draft, layer=followed)
        moves |= dict.fromkeys(moved)
        recipe, problems = _structured(draft, registry, rehearse)
        absent = _absent(draft.layer.data, registry)
        missing.update(absent)
        # an unknown component is not the recipe's mistake while a plugin it requires is missing
        problems = [problem for problem in problems if not (absent and problem.missing)]
        shown += [show(problem, draft.layer.origins, text) for problem in problems]
        if recipe is not INVALID and search is not None:
            unfit = list(sweep.check(search, recipe, draft.layer, registry, rehearse=rehearse))
            shown += [show(problem, layer.origins, text) for problem in unfit]
        if recipe is not INVALID:
            seeded = draft.seed is not None
            origins = draft.layer.origins
            run = Loaded(recipe=recipe, file=path, variant=draft.variant, seeded=seeded, origins=origins, expect=expect)
            loaded.append(attrs.evolve(run, sweep=search))
    if not shown:
        recipes = [] if variant or missing else [run.recipe for run in loaded]
        near = {*path.parent.glob("*.toml"), *others} - {path}
        shown += [
            show(problem, layer.origins, text) for problem in check_entries(expect, recipes, _tables(layer), near)
        ]
    if shown:
        raise RecipeProblems(shown)
    if missing:
        raise _missing_plugins(path, sorted(missing), registry)
    for move in moves:
        _log.warning("%s: %s", path, move)
    return loaded


def load_all(
    paths: Sequence[FilePath],
    registry: Registry,
    *,
    overrides: Sequence[str] = (),
    variant: str | None = None,
    rehearse: bool = False,
) -> list[Loaded]:
    """Load several recipes, including all recipes in the folders among ``paths``.

    Raises what ``load`` raises, for all files in one list; ``MissingInputError`` for a folder without recipes.
    """
    files = [file for path in paths for file in _files(path)]
    loaded, problems = [], Problems()
    for file in files:
        with problems.collect():
            loaded += load(file, registry, overrides=overrides, variant=variant, rehearse=rehearse, others=files)
    problems.raise_any()
    return loaded


def _files(path: FilePath) -> list[FilePath]:
    found = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    if not found:
        raise MissingInputError(f"{path}: a folder without recipes (*.toml)")
    return found


def variants(path: FilePath) -> list[str]:
    """Return the names of a recipe file's variants."""
    return list(_tables(read(path)[1]))


def _file_problems(layer: Layer) -> Iterator[Problem]:
    """Yield the problems of the file outside its recipe: those of its variants."""
    named = layer.data.get("variants", {})
    if not isinstance(named, dict):
        yield Problem(
            ("variants",), "`variants` must contain tables", "write a variant as [variants.NAME]", value=False
        )
        return
    for name, table in named.items():
        path = ("variants", name)
        if not isinstance(table, dict):
            yield Problem(path, f"variant `{name}` must be a table", f"write [variants.{name}]")
        elif not is_file_name(name):
            yield Problem(path, f"the variant's name becomes a folder: {FILE_NAME}, not `{name}`", value=False)
        else:
            inner = [key for key in _FILE_ONLY if key in table]
            yield from (Problem((*path, key), f"`{key}` is not allowed in a variant", value=False) for key in inner)


def _drafts(layer: Layer, path: FilePath, overrides: Sequence[str], variant: str | None) -> Iterator[_Draft]:
    named = _tables(layer)
    if variant is not None and variant not in named:
        offer = f"{suggestion(variant, named)}{path} has: {', '.join(named) or 'no variants'}"
        raise UsageError(f"{path} has no variant `{variant}`", offer)
    whole = layer.without(*_FILE_ONLY)
    chosen: list[str | None] = [variant] if variant is not None else [*named] or [None]
    for variant_name in chosen:
        draft = (
            whole
            if variant_name is None
            else merge(whole.without("claim"), layer.at("variants", variant_name).without(*_FILE_ONLY))
        )
        draft = Layer({**_listed_defaults(), "name": path.stem, **draft.data}, draft.origins)
        for assignment in overrides:
            draft = set_value(draft, assignment)
        for seeded in _seeded(draft, variant_name):
            yield from _of_folds(seeded)


def _tables(layer: Layer) -> TomlTable:
    named = layer.data.get("variants", {})
    return {name: table for name, table in named.items() if isinstance(table, dict)} if isinstance(named, dict) else {}


def _seeded(draft: Layer, variant: str | None) -> Iterator[_Draft]:
    """Yield a draft for each seed."""
    seeds = draft.data.get("seeds", [])
    whole = isinstance(seeds, list) and all(type(seed) is int for seed in seeds) and len(set(seeds)) == len(seeds)
    single = Layer({key: value for key, value in draft.data.items() if key != "seeds"}, draft.origins)
    if "seeds" not in draft.data:
        yield _Draft(layer=single, variant=variant)
    elif "seed" in draft.data:
        yield _Draft(
            layer=single, variant=variant, problem=Problem(("seeds",), "write `seed` or `seeds`, not both", _SEEDS)
        )
    elif not whole or not seeds:
        problem = Problem(("seeds",), "`seeds` must be a list of different whole numbers", _SEEDS)
        yield _Draft(layer=single, variant=variant, problem=problem)
    else:
        for number, seed in enumerate(seeds):
            written = draft.origins.get(("seeds", number), draft.origins[("seeds",)])
            seeded = Layer({**single.data, "seed": seed}, {**draft.origins, ("seed",): written})
            yield _Draft(layer=seeded, variant=variant, seed=seed)


def _of_folds(draft: _Draft) -> Iterator[_Draft]:
    """Yield a draft for each fold of a cross-validation."""
    split = draft.layer.data.get("split")
    folds = split.get("folds") if isinstance(split, dict) else None
    if not isinstance(split, dict) or type(folds) is not int or not 2 <= folds <= 100 or "fold" in split:
        yield draft
        return
    origins = {**draft.layer.origins, ("split", "fold"): draft.layer.origins[("split", "folds")]}
    for fold in range(1, folds + 1):
        layer = Layer({**draft.layer.data, "split": {**split, "fold": fold}}, origins)
        yield attrs.evolve(draft, layer=layer)


def _listed_defaults() -> TomlTable:
    """Return the default sections of lists, so that ``--set stages.0.epochs=1`` works without ``[[stages]]``."""
    return {
        name: field.default_data for name, field in fields_of(Recipe).items() if isinstance(field.default_data, list)
    }


def _structured(draft: _Draft, registry: Registry, rehearse: bool) -> tuple[Any, list[Problem]]:
    """Return the recipe (``INVALID`` if it has problems) and its problems."""
    structurer = Structurer(registry)
    recipe = structurer.make(Recipe, draft.layer.data, ())
    problems = structurer.problems if recipe is INVALID else list(check(recipe, rehearse=rehearse))
    if draft.problem is not None:
        problems = [draft.problem, *problems]
    if problems:
        return INVALID, problems
    return (recipe if draft.variant is None else changed(recipe, name=f"{recipe.name}-{draft.variant}")), []


def _absent(data: TomlTable, registry: Registry) -> list[str]:
    wanted = data.get("requires", [])
    there = {canonicalize_name(name) for name in registry.distributions()}
    names = [name for name in wanted if isinstance(name, str)] if isinstance(wanted, list) else []
    return [name for name in names if canonicalize_name(name) not in there]


def _missing_plugins(path: FilePath, names: list[str], registry: Registry) -> MissingPluginError:
    failures = {canonicalize_name(plugin.distribution): plugin.failure for plugin in registry.plugins if plugin.failure}
    hints = [
        f"{name} is installed but does not load: {failures[canonicalize_name(name)]}"
        if canonicalize_name(name) in failures
        else _install_line(name)
        for name in names
    ]
    quoted = ", ".join(f"`{name}`" for name in names)
    see = "to see what is installed and what failed: cellcls list-plugins"
    return MissingPluginError(f"{path} requires {quoted}, which cannot be used here", *hints, see)


def _install_line(name: str) -> str:
    """Return how to install a plugin. Never by its name alone: anybody could have taken it on a public registry."""
    local = FilePath("plugins") / name
    if local.is_dir():
        return f"install it: pip install ./{local}"
    return f"install it from the folder plugins/{name} of the cellcls repository, or from where its author keeps it"
