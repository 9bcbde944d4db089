"""A recipe written as TOML reads as the same recipe, whatever its settings."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path as FilePath
from typing import Any, Literal, Union, get_args, get_origin

import pytest
import tomli
import tomli_w
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cellcls.api import KINDS, Choice, Component
from cellcls.builtin.augmentations import Kornia
from cellcls.recipe import PARTS, Band, Evaluation, Field, Freeze, Recipe, Split, dump, fields_of, load, to_data
from cellcls.recipe.scan import Path
from cellcls.recipe.structure import Structurer, is_kind
from cellcls.registry import load_registry

REGISTRY = load_registry(metadata.entry_points(group="cellcls"))
COMPONENTS = list(REGISTRY)
RECIPES = sorted((FilePath(__file__).parents[2] / "recipes").glob("*.toml"))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
paths = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
    .filter(lambda text: text[:1] != "~")
    .map(FilePath)
)
shares = st.floats(0, 1)
COMBINED: dict[type, st.SearchStrategy[Any]] = {  # sections whose settings must fit each other
    Freeze: st.one_of(
        st.builds(Freeze, keras_layers=st.integers(0, 999)),
        st.builds(Freeze, fraction=shares),
        st.builds(Freeze, until=texts),
    ),
    Choice: st.one_of(
        st.builds(
            Choice, values=st.lists(st.booleans() | st.integers(-9, 9) | texts, min_size=1, max_size=3).map(tuple)
        ),
        st.builds(Choice, low=st.integers(1, 5), high=st.integers(6, 9), log=st.booleans()),
        st.builds(Choice, low=st.floats(0.1, 1), high=st.floats(2, 3), log=st.booleans()),
    ),
    Band: st.one_of(
        st.builds(Band, value=shares, tolerance=shares), st.builds(Band, below=shares), st.builds(Band, above=shares)
    ),
    Kornia: st.builds(
        lambda p, named: Kornia(p=p, name=named[0], arguments=named[1]),
        shares,
        st.sampled_from(
            [
                ("RandomAutoContrast", {}),
                ("RandomAutoContrast", {"clip_output": False}),
                ("RandomPlasmaShadow", {"roughness": (0.25, 0.5)}),
                ("RandomAffine", {"degrees": 10.0, "padding_mode": "REFLECTION", "scale": (0.5, 2.0)}),
                ("RandomSharpness", {"sharpness": 2}),
            ]
        ),
    ),
    Split: st.builds(
        Split,
        val=st.floats(0, 0.4),
        test=st.floats(0, 0.4),
        seed=st.integers(0, 2**63 - 1),
        group=st.sampled_from([None, "patient", "pat_([0-9]+)/"]),
    ),
    Evaluation: st.builds(
        Evaluation,
        name=texts,
        part=st.sampled_from(PARTS),
        views=st.sampled_from([(), ("flips",), ("flips", "turns")]),
        corrupt=texts | st.none(),
        severities=st.lists(st.integers(1, 5), min_size=1, unique=True).map(tuple),
        seed=st.integers(0, 2**63 - 1),
    ),
}


def numbers(target: type, field: Field) -> st.SearchStrategy[Any]:
    """Draw numbers within a setting's range."""
    bounds = dict(field.param.bounds)
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    above, below = "gt" in bounds, "lt" in bounds
    if target is int:
        least = 1 - 2**63 if low is None else math.floor(low) + above
        return st.integers(least, 2**63 - 1 if high is None else math.ceil(high) - below)
    return st.floats(low, high, exclude_min=above, exclude_max=below, allow_nan=False, allow_infinity=False)


def values(target: Any, field: Field) -> st.SearchStrategy[Any]:
    """Draw values of a field's type."""
    origin, arms = get_origin(target), get_args(target)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(arm, field) for arm in arms))
    if origin is Literal:
        return st.sampled_from(arms)
    if origin is Mapping:
        return st.dictionaries(texts.filter(lambda key: key != "place"), values(arms[1], field), max_size=2)
    if origin is tuple and arms[-1] is Ellipsis:
        return st.lists(values(arms[0], field), max_size=2).map(tuple)
    if origin is tuple and arms[0] is int:  # first and last
        return st.tuples(*(values(arm, field).map(abs) for arm in arms)).map(lambda pair: tuple(sorted(pair)))
    if origin is tuple:
        return st.tuples(*(values(arm, field) for arm in arms))
    if target in (int, float):
        return numbers(target, field)
    if is_kind(target):
        return st.sampled_from([one for one in COMPONENTS if one.kind == target.kind]).flatmap(made)
    plain = {bool: st.booleans(), str: texts, types.NoneType: st.none(), FilePath: paths}
    known = {**plain, **COMBINED}
    return known[target] if target in known else made(target)


@st.composite
def made(draw: st.DrawFn, cls: type[Any]) -> Any:
    """Draw a component or section with any settings."""
    if cls in COMBINED:
        return draw(COMBINED[cls])
    chosen = {field.attribute: draw(values(field.type, field)) for field in fields_of(cls).values()}
    try:
        return cls(**chosen)
    except ValueError:  # the class refuses the combination
        assume(False)


def structured(kind: Any, data: Any, path: Path = ()) -> Any:
    """Read data back, strictly."""
    structurer = Structurer(REGISTRY)
    found = structurer.make(kind, data, path)
    assert structurer.problems == []
    return found


def test_every_component_takes_part() -> None:
    assert len(COMPONENTS) > 40
    assert {one.kind for one in COMPONENTS} == set(KINDS)


@pytest.mark.parametrize("cls", COMPONENTS, ids=lambda cls: f"{cls.kind}-{cls.component_name}")
@settings(max_examples=15)
@given(data=st.data())
def test_a_component_reads_as_it_was_written(cls: type[Component], data: st.DataObject) -> None:
    component = data.draw(made(cls))
    text = tomli_w.dumps(to_data(component))
    assert structured(KINDS[cls.kind], tomli.loads(text), (cls.kind,)) == component


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(made(Recipe))
def test_a_recipe_reads_as_it_was_written(recipe: Recipe) -> None:
    text = dump(recipe)
    again = structured(Recipe, tomli.loads(text))
    assert again == recipe
    assert dump(again) == text


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(made(Recipe), texts)
def test_comments_change_nothing(recipe: Recipe, text: str) -> None:
    comment = "".join(letter for letter in text if letter.isprintable())
    assert tomli.loads(dump(recipe, lambda _path: comment)) == tomli.loads(dump(recipe))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_reads_as_it_was_written(path: FilePath, tmp_path: FilePath) -> None:
    for number, loaded in enumerate(load(path, REGISTRY, rehearse=True)):
        again = tmp_path / f"{number}.toml"
        again.write_text(dump(loaded.recipe))
        (read,) = load(again, REGISTRY, rehearse=True)
        assert read.recipe == loaded.recipe


def test_settings_that_may_be_left_out_are_nothing_by_default() -> None:
    """None cannot be written in TOML: it reads back only where it is the default."""
    for cls in COMPONENTS:
        for name, field in fields_of(cls).items():
            if types.NoneType in get_args(field.type):
                assert field.default is None, f"{cls.__name__}.{name}"
