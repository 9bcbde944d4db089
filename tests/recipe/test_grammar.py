"""What ``cellcls describe recipe`` lists is what a recipe may hold: no key more, none less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli

from cellcls.api import KINDS
from cellcls.recipe import File, fields_of, grammar
from cellcls.recipe.model import OUTER
from cellcls.recipe.structure import Structurer
from cellcls.registry import Registry

RECIPES = Path(__file__).parents[2] / "recipes"
ROWS = {row["setting"]: row for row in grammar()}
WHOLE = """
name = "whole"
seed = 1
requires = []
cleaners = [{ use = "drop_duplicates" }]
augment = [{ use = "flip", p = 0.5 }]
explain = [{ use = "grad_cam", name = "map", images = 2, depths = 2, same_above = 0.5 }]
callbacks = [{ use = "early_stopping" }]
evaluate = [{ name = "t", part = "test", views = ["flips"], corrupt = "competition", severities = [1], seed = 1 }]
[dataset]
use = "synthetic"
[split]
val = 0.1
group = "patient"
[input]
size = 32
[expand]
copies = 1
[backbone]
use = "cnn5"
[head]
use = "linear"
[loss]
use = "cross_entropy"
class_weights = "none"
[train]
ema_decay = 0.5
[init]
from = "run"
[[stages]]
name = "one"
freeze = { until = "features" }
bn = "frozen"
optimizer = { use = "adam", lr = 1e-3 }
schedule = { use = "constant" }
[claim]
place = "Table 1"
t.accuracy = { value = 0.9, tolerance = 0.1 }
t.loss = { below = 1.0 }
[[expect]]
metric = "val.accuracy"
order = ["a", "b"]
slack = 0.1
[variants.a]
seeds = [1, 2]
[variants.b.expand]
copies = 2
"""
SWEEP = """
[sweep]
use = "random"
trials = 2
metric = "val.accuracy"
[sweep.space]
"head.dropout" = { low = 0.1, high = 0.2, log = true }
"loss.label_smoothing" = { values = [0.0, 0.1] }
"""


Parts = tuple[str, ...]


def leaves(value: Any, place: Parts = ()) -> Iterator[Parts]:
    """Yield the place of every value of a file as ``describe recipe`` writes it; a variant's are those of a file."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for one in value:
            yield from leaves(one, (*place[:-1], f"{place[-1]}[]"))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, () if place == ("variants",) else (*place, key))
    else:
        yield place


def is_listed(place: Parts) -> bool:
    rows = [tuple(setting.split(".")) for setting in ROWS]
    return any(
        len(row) == len(place) and all(one in (part, "NAME") for one, part in zip(row, place, strict=True))
        for row in rows
    )


@pytest.mark.parametrize("text", [WHOLE, SWEEP], ids=["whole", "sweep"])
def test_what_a_recipe_holds_is_listed(text: str, builtins: Registry):
    structurer = Structurer(builtins)
    structurer.make(File, {"name": "whole", **tomli.loads(text)}, ())
    assert not structurer.problems
    found = set(leaves(tomli.loads(text)))
    assert len(found) > (40 if text == WHOLE else 6)
    assert not [place for place in found if not is_listed(place)]
    assert not is_listed(("stages[]", "epoch"))


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_what_shipped_recipes_hold_is_listed(path: Path, builtins: Registry):
    own = {name for kind in KINDS for one in builtins.names(kind) for name in fields_of(builtins.find(kind, one))}
    unlisted = [place for place in leaves(tomli.loads(path.read_text())) if not is_listed(place)]
    assert {place[-1] for place in unlisted} <= own  # a component's own setting


@pytest.mark.parametrize("setting", [*ROWS, "stages[].epoch"])
def test_what_is_listed_is_a_key_of_a_recipe(setting: str, builtins: Registry):
    """A key whose value does not fit is told for the value, and never as a key that is not there."""
    structurer = Structurer(builtins)
    structurer.make(File, nested(setting.split(".")), ())
    unknown = [one.message for one in structurer.problems if " has no " in one.message]
    assert bool(unknown) == (setting not in ROWS)


def nested(parts: list[str]) -> Any:
    """Return data that says no more than the setting at a place; a component that is meant is one that is there."""
    if not parts:
        return ""
    inner, name = nested(parts[1:]), parts[0].removesuffix("[]")
    if name in USED and parts[1:] and parts[1] != "use":
        inner = {"use": USED[name], **inner}
    return {name: [inner] if parts[0].endswith("[]") else inner}


USED = {
    "dataset": "synthetic",
    "cleaners": "drop_duplicates",
    "augment": "flip",
    "backbone": "cnn5",
    "head": "linear",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "schedule": "constant",
    "explain": "grad_cam",
    "callbacks": "early_stopping",
    "sweep": "random",
}


def test_what_stands_around_a_recipe_is_listed():
    assert set(OUTER) == {"base", "seeds", "variants", "expect", "sweep"}
    assert set(OUTER) < set(ROWS)


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("name", "-"),
        ("dataset", '{ use = "synthetic" }'),
        ("dataset.use", '"synthetic"'),
        ("stages", "[{}]"),
        ("stages[].optimizer", '{ use = "adamw", lr = 0.001 }'),
        ("expand.below_average", "false"),
        ("evaluate", '[{ name = "val" }, { name = "test" }]'),
        ("evaluate[].name", "required"),
        ("explain[].use", "required"),
        ("claim.NAME.NAME", "-"),
    ],
)
def test_defaults_are_written_as_toml(setting: str, default: str):
    assert ROWS[setting]["default"] == default


def test_every_default_is_toml():
    for setting, row in ROWS.items():
        if row["default"] not in ("-", "required"):
            assert "v" in tomli.loads(f"v = {row['default']}"), setting


def test_sections_that_hold_components_are_listed():
    wanted = {"explain[].images", "callbacks[].use", "sweep.trials", "sweep.space.NAME.low", "loss.class_weights"}
    assert wanted | {"claim.NAME.NAME.value", "expect[].order", "augment[].p"} <= set(ROWS)
    assert not any("figures" in setting for setting in ROWS)
