"""Commands that train nothing: ``check``, ``show``, ``describe``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import attrs
import click

from cellcls.api import KINDS, Component
from cellcls.cli.output import NO_RECIPE, PathType, json_option, machine_options, print_json, recipes_argument
from cellcls.errors import MissingPluginError, UsageError
from cellcls.execution.checking import check_all
from cellcls.execution.context import Context
from cellcls.recipe import Loaded, dump, grammar, load, load_all, settings, to_data
from cellcls.recipe.scan import Path as KeyPath
from cellcls.registry import Registry, load_registry
from cellcls.runs.options import Options
from cellcls.terminal import answer, say, table

recipe_argument = click.argument("recipe", type=PathType())
overrides_option = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting.")
variant_option = click.option("--variant", help="Only this variant of the recipe.")


@click.command()
@recipes_argument
@machine_options
@overrides_option
@variant_option
@click.option("--rehearse", is_flag=True, help="Check for `run --rehearse`.")
@json_option
def check(
    recipes: tuple[Path, ...], overrides: tuple[str, ...], variant: str | None, as_json: bool, **machine: Any
) -> None:
    """Check recipes, or all recipes in a folder: plugins, data, classes, steps and memory. Nothing is trained.

    The problems of all recipes are reported together.
    """
    if not recipes:
        raise UsageError(NO_RECIPE, "cellcls check RECIPE")
    registry, options = load_registry(), Options(**machine)
    loaded = load_all(recipes, registry, overrides=overrides, variant=variant, rehearse=options.rehearse)
    checked = [attrs.asdict(run) for run in check_all(loaded, Context(registry=registry, options=options))]
    if as_json:
        print_json(checked[0] if len(checked) == 1 else checked)
        return
    for run in checked:
        rows = [
            {"what": _TITLES.get(what, what), "value": _words(value)}
            for what, value in run.items()
            if what not in ("name", "warnings")
        ]
        table(f"{run['name']}: would run", rows)
        for warning in run["warnings"]:
            say(f"cellcls: warning: {run['name']}: {warning}")


_TITLES = {
    "classes": "classes (train)",
    "dropped": "images dropped",
    "skipped": "files skipped",
    "stages": "frozen in stage",
    "memory_mb": "memory, about MB",
}
"""Titles in the table, by the name of the field."""


@click.command()
@recipe_argument
@overrides_option
@variant_option
@json_option
def show(recipe: Path, overrides: tuple[str, ...], variant: str | None, as_json: bool) -> None:
    """Print a recipe with every default filled in, and the origin of each value."""
    loaded = load(recipe, load_registry(), overrides=overrides, variant=variant, rehearse=True)
    if as_json:
        shown = [{"recipe": to_data(run.recipe), "origins": _origins(run)} for run in loaded]
        print_json(shown[0] if len(shown) == 1 else shown)
        return
    for number, run in enumerate(loaded):
        print("\n" * (number > 0) + dump(run.recipe, partial(_origin, run)), end="")


def _origin(loaded: Loaded, path: KeyPath) -> str:
    """Return where a value was written: its own key, or that of the list or table that contains it."""
    found = loaded.origins.get(path)
    while found is None and path and isinstance(path[-1], int):
        path = path[:-1]
        found = loaded.origins.get(path)
    if found is None and path[:-1] in loaded.origins and isinstance(path[-1], int):
        found = loaded.origins[path[:-1]]
    return str(found) if found else "default"


def _origins(loaded: Loaded) -> dict[str, str]:
    return {".".join(map(str, path)): str(origin) for path, origin in loaded.origins.items()}


@click.command()
@click.argument("kind", type=click.Choice([*KINDS, "recipe"]), metavar="KIND|recipe")
@click.argument("name", required=False)
@json_option
def describe(kind: str, name: str | None, as_json: bool) -> None:
    """Describe the components of a kind, the settings of a component, or the grammar of recipes."""
    registry = load_registry()
    if kind == "recipe":
        if name:
            raise UsageError("`describe recipe` takes no name", "to describe a component: cellcls describe KIND NAME")
        _describe_recipe(as_json)
    elif name is None:
        _describe_kind(kind, registry, as_json)
    else:
        cls = registry.find(kind, name)
        if cls is None:
            offer = f"{registry.instead_of(kind, name)}available: {', '.join(registry.names(kind))}"
            raise MissingPluginError(f"no {kind} is called `{name}`", offer)
        _describe_component(cls, registry, as_json)


def _describe_kind(kind: str, registry: Registry, as_json: bool) -> None:
    rows = [
        {
            "name": name,
            "plugin": registry.plugin_of(cls).distribution,
            "what": _first_sentence(cls),
        }
        for name in registry.names(kind)
        if (cls := registry.find(kind, name))
    ]
    if as_json:
        print_json(rows)
    else:
        table(f'{kind}: use = "NAME"; more: cellcls describe {kind} NAME', rows)


def _describe_component(cls: type[Component], registry: Registry, as_json: bool) -> None:
    known = settings(cls)
    plugin = registry.plugin_of(cls)
    if as_json:
        about = {"kind": cls.kind, "name": cls.component_name, "plugin": plugin.distribution, "help": _doc(cls)}
        print_json({**about, "settings": known, "catalogue": list(cls.catalogue())})
        return
    answer(f"{cls.kind} {cls.component_name}  ({plugin.distribution} {plugin.version})\n\n{_doc(cls)}\n")
    table("settings", known)
    table("catalogue", cls.catalogue())


def _describe_recipe(as_json: bool) -> None:
    rows = grammar()
    if as_json:
        print_json(rows)
    else:
        table("sections and settings of a recipe; components: cellcls describe KIND", rows)


def _doc(cls: type[Any]) -> str:
    from inspect import getdoc

    return getdoc(cls) or ""


def _first_sentence(cls: type[Any]) -> str:
    text = " ".join(_doc(cls).split())
    head, dot, _ = text.partition(". ")
    return head + dot.strip()


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(item)}" for name, item in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "-"
    return f"{value:,}" if isinstance(value, int) else str(value)
