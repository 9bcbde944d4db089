"""From a recipe file to typed recipes: base, variants, seeds and ``--set`` applied, everything checked at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

import attrs
import tomli

from cellcls.errors import MissingInputError, MissingPluginError, RecipeError, UsageError
from cellcls.recipe.checks import check
from cellcls.recipe.model import Recipe
from cellcls.recipe.overlay import Layer, merge, set_value
from cellcls.recipe.problems import Origin, Problem, RecipeProblems, Text, show, suggestion, whole_line
from cellcls.recipe.scan import Path, Place, scan
from cellcls.recipe.structure import INVALID, Structurer, fields_of
from cellcls.registry import Registry

MAX_BYTES = 1 << 20
_OWN = ("name", "claim", "variants", "base")
"""Keys that are never taken over from a base."""


@attrs.frozen(kw_only=True)
class Loaded:
    """One run to be made: a recipe, the variant and file it comes from and where each value was written."""

    recipe: Recipe
    file: FilePath
    variant: str | None
    seeded: bool
    """Whether it is one of several seeds."""
    origins: dict[Path, Origin]


@attrs.frozen(kw_only=True)
class _Draft:
    layer: Layer
    variant: str | None
    seed: int | None


def load(
    path: FilePath,
    registry: Registry,
    *,
    overrides: Sequence[str] = (),
    variant: str | None = None,
    rehearse: bool = False,
) -> list[Loaded]:
    """Read the recipe at ``path`` and return the runs it asks for: one a variant and seed.

    ``overrides`` are the command line's ``KEY=VALUE``; ``variant`` picks one; ``rehearse``: random weights may be
    frozen. Raises ``RecipeProblems`` with all
    problems, ``MissingInputError``, ``MissingPluginError``, ``UsageError``.
    """
    text, layer = _read(path, ())
    drafts = list(_drafts(layer, path, overrides, variant))
    shown: dict[str, None] = {}
    loaded = []
    missing: set[str] = set()
    for draft in drafts:
        recipe, problems = _structured(draft, registry, rehearse)
        absent = _absent(draft.layer.data, registry)
        missing.update(absent)
        # a component nobody offers is no mistake of the recipe's while a plugin it requires is missing
        shown.update(dict.fromkeys(_shown(one, draft, text) for one in problems if not (absent and one.missing)))
        if recipe is not INVALID:
            loaded.append(
                Loaded(
                    recipe=recipe,
                    file=path,
                    variant=draft.variant,
                    seeded=draft.seed is not None,
                    origins=draft.layer.origins,
                )
            )
    if shown:
        raise RecipeProblems(shown)
    if missing:
        names = ", ".join(f"`{name}`" for name in sorted(missing))
        raise MissingPluginError(
            f"{path} requires {names}, which is not installed or does not load",
            *(_install_line(name) for name in sorted(missing)),
            "cellcls list-plugins shows what is installed and what failed",
        )
    return loaded


def variants(path: FilePath) -> list[str]:
    """Return the names of a recipe file's variants."""
    return list(_read(path, ())[1].data.get("variants", {}))


def _read(path: FilePath, seen: tuple[FilePath, ...]) -> tuple[Text, Layer]:
    """Read one file with its base below it; ``seen`` are the files that led here."""
    if path.resolve() in seen:
        raise RecipeError(f"{path}: its `base` leads back to itself")
    text = _text(path)
    layer = _parse(text)
    base = layer.data.get("base")
    if not isinstance(base, str):
        return text, layer
    below_path = path.parent / base
    if not below_path.is_file():
        origin = layer.origins[("base",)]
        raise MissingInputError(origin.show(f"the base recipe {below_path} is not there", value=True))
    _, below = _read(below_path, (*seen, path.resolve()))
    return text, merge(below.without(*_OWN), layer)


def _text(path: FilePath) -> Text:
    if not path.exists():
        near = [str(one) for one in sorted(path.parent.glob("*.toml"))] if path.parent.is_dir() else []
        hint = suggestion(str(path), near)
        raise MissingInputError(f"no recipe at {path}", f"{hint}cellcls recipes ls shows the shipped ones")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"{path}: cannot read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RecipeError(f"{path}: {len(content):,} bytes; a recipe has at most {MAX_BYTES:,}")
    try:
        return Text(str(path), content.decode().replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text at byte {error.start}") from error


def _parse(text: Text) -> Layer:
    try:
        data = tomli.loads(text.content)
    except tomli.TOMLDecodeError as error:
        span = whole_line(text.content, error.lineno)
        message = f"broken TOML: {error.msg}"
        origin = Origin(text, Place(attrs.evolve(span, start=span.start + max(0, error.colno - 1))))
        raise RecipeProblems([origin.show(message, value=False)]) from error
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{text.name}: broken TOML: {error}") from error
    return Layer(data, {path: Origin(text, place) for path, place in scan(text.content).items()})


def _drafts(layer: Layer, path: FilePath, overrides: Sequence[str], variant: str | None) -> Iterator[_Draft]:
    named = layer.data.get("variants", {})
    if not isinstance(named, dict) or not all(isinstance(one, dict) for one in named.values()):
        raise RecipeProblems([layer.origins[("variants",)].show("`variants` must hold tables", value=False)])
    if variant is not None and variant not in named:
        offer = f"{suggestion(variant, named)}{path} has: {', '.join(named) or 'no variants'}"
        raise UsageError(f"{path} has no variant `{variant}`", offer)
    whole = layer.without("variants", "base")
    chosen = [variant] if variant is not None else list(named) or [None]
    for one in chosen:
        draft = whole if one is None else merge(whole.without("claim"), layer.at("variants", one))
        draft = Layer({**_listed_defaults(), "name": path.stem, **draft.data}, draft.origins)
        for assignment in overrides:
            draft = set_value(draft, assignment)
        seeds = draft.data.get("seeds", [None])
        yield from (_Draft(layer=draft.without("seeds"), variant=one, seed=seed) for seed in _seeds(seeds, draft))


def _seeds(seeds: Any, draft: Layer) -> list[int | None]:
    whole = isinstance(seeds, list) and seeds and all(one is None or type(one) is int for one in seeds)
    if whole and len(set(seeds)) == len(seeds):
        return list(seeds)
    origin = draft.origins[("seeds",)]
    raise RecipeProblems([origin.show("`seeds` must be a list of different whole numbers", value=True)])


def _listed_defaults() -> dict[str, Any]:
    """Return the sections that an absent list stands for, so that ``--set stages.0.epochs=1`` finds them."""
    return {
        name: field.default_data for name, field in fields_of(Recipe).items() if isinstance(field.default_data, list)
    }


def _structured(draft: _Draft, registry: Registry, rehearse: bool) -> tuple[Any, list[Problem]]:
    data = dict(draft.layer.data)
    if draft.variant is not None and isinstance(data["name"], str):
        data["name"] = f"{data['name']}-{draft.variant}"
    if draft.seed is not None:
        data["seed"] = draft.seed
    structurer = Structurer(registry)
    recipe = structurer.make(Recipe, data, ())
    problems = structurer.problems if recipe is INVALID else list(check(recipe, rehearse=rehearse))
    return (INVALID if problems else recipe), problems


def _shown(problem: Problem, draft: _Draft, text: Text) -> str:
    return show(problem, draft.layer.origins, text)


def _absent(data: dict[str, Any], registry: Registry) -> list[str]:
    wanted = data.get("requires", [])
    there = {_plain(name) for name in registry.distributions()}
    return (
        [name for name in wanted if isinstance(name, str) and _plain(name) not in there]
        if isinstance(wanted, list)
        else []
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _install_line(name: str) -> str:
    """Return how to get a plugin: from the checkout's own folder where it is there, else from the registry."""
    local = FilePath("plugins") / name
    return f"install it: pip install {f'./{local}' if local.is_dir() else name}"
