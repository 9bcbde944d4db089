"""A recipe written as TOML reads as the same recipe, whatever its settings."""

from __future__ import annotations

import math
import types
from importlib import metadata
from pathlib import Path as FilePath
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import pytest
import tomli
from hypothesis import assume, given
from hypothesis import strategies as st

from cellcls.api import KINDS, Component
from cellcls.recipe import Claim, Field, Freeze, Recipe, dump, fields_of, load, to_data
from cellcls.recipe.structure import INVALID, Structurer, is_kind
from cellcls.registry import Registry, load_registry

REGISTRY = load_registry(metadata.entry_points(group="cellcls"))
COMPONENTS = list(REGISTRY)
RECIPES = sorted((FilePath(__file__).parents[2] / "recipes").glob("*.toml"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def numbers(target: type, field: Field) -> st.SearchStrategy[Any]:
    """Draw numbers within a setting's range."""
    bounds = dict(field.param.bounds)
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    if target is int:
        least = -(2**63) if low is None else math.floor(low) + ("gt" in bounds)
        most = 2**63 - 1 if high is None else math.ceil(high) - ("lt" in bounds)
        return st.integers(least, most)
    return st.floats(
        low,
        high,
        exclude_min="gt" in bounds,
        exclude_max="lt" in bounds,
        allow_nan=False,
        allow_infinity=False,
    )


def values(target: Any, field: Field) -> st.SearchStrategy[Any]:
    """Draw values of a field's type."""
    origin, arms = get_origin(target), get_args(target)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(arm, field) for arm in arms))
    if origin is Literal:
        return st.sampled_from(arms)
    if origin is tuple:
        if arms[-1] is Ellipsis:
            return st.lists(values(arms[0], field), max_size=3).map(tuple)
        # pairs of numbers mostly mean a first and a last
        return st.tuples(*(values(arm, field) for arm in arms)).map(lambda pair: tuple(sorted(map(abs, pair))))
    if target in (int, float):
        return numbers(target, field)
    plain = {bool: st.booleans(), str: texts, types.NoneType: st.none(), FilePath: texts.map(FilePath)}
    if target in plain:
        return plain[target]
    if is_kind(target):
        return st.sampled_from([one for one in COMPONENTS if one.kind == target.kind]).flatmap(made)
    return made(target)


@st.composite
def made(draw: st.DrawFn, cls: type[Any]) -> Any:
    """Draw a component or section with any settings."""
    if cls is Claim:
        return draw(claims)
    chosen = {name: draw(values(field.type, field)) for name, field in fields_of(cls).items()}
    if cls is Freeze:
        kept = draw(st.sampled_from(sorted(chosen)))
        chosen = {kept: chosen[kept] if chosen[kept] is not None else draw(non_empty[kept])}
    try:
        built = cls(**chosen)
    except ValueError:  # the class refuses the combination
        assume(False)
    assume(not (hasattr(built, "problem") and built.problem()))
    return built


non_empty = {"keras_layers": st.integers(0, 9), "fraction": st.floats(0, 1), "until": texts}
bands = st.fixed_dictionaries({"value": st.floats(-1, 1), "tolerance": st.floats(0, 1)}) | st.fixed_dictionaries(
    {"below": st.floats(-1, 1)}
)
names = texts.filter(lambda name: name not in ("place", "figures"))


@st.composite
def figures(draw: st.DrawFn) -> Any:
    band = fields_of(Claim)["figures"].type
    cls = get_args(get_args(band)[1])[1]
    drawn = draw(st.dictionaries(names, st.dictionaries(texts, bands, max_size=2), max_size=2))
    return {name: {metric: cls(**one) for metric, one in inner.items()} for name, inner in drawn.items()}


claims = st.builds(Claim, place=texts | st.none(), figures=figures())


def read(text: str) -> Recipe:
    structurer = Structurer(REGISTRY)
    recipe = structurer.make(Recipe, tomli.loads(text), ())
    assert structurer.problems == []
    assert recipe is not INVALID
    assert isinstance(recipe, Recipe)
    return recipe


def slot(component: Component) -> dict[str, Any]:
    """Return where a component stands in a recipe."""
    for owner, wrap in ((Recipe, lambda given: given), (stage_class(), lambda given: {"stages": (stage(**given),)})):
        for name, field in fields_of(owner).items():
            if is_kind(field.type) and isinstance(component, field.type):
                return wrap({name: component})
            if get_origin(field.type) is tuple and is_kind(get_args(field.type)[0]):
                if isinstance(component, get_args(field.type)[0]):
                    return wrap({name: (component, component)})
    raise AssertionError(f"a recipe has no place for {component}")
