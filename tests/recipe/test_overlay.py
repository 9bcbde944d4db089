"""Base, variants, seeds and ``--set``: one mechanism."""

from __future__ import annotations

import copy
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import MissingInputError, RecipeError, UsageError
from cellcls.recipe import Loaded, Recipe, RecipeProblems, load, variants
from cellcls.recipe.model import Freeze
from cellcls.recipe.overlay import Layer, merge
from cellcls.recipe.problems import Origin, Text
from cellcls.recipe.scan import Path, Place, Span
from cellcls.registry import Registry

# --- merging -------------------------------------------------------------------------------------------------------

keys = st.sampled_from(["a", "b", "c", "use"])
scalars = st.integers(0, 3) | st.sampled_from(["x", "y"])
values = st.recursive(scalars | st.lists(scalars, max_size=2), lambda inner: st.dictionaries(keys, inner, max_size=3))
tables = st.dictionaries(st.sampled_from(["one", "two", "three"]), values, max_size=3)


def paths(value: Any, path: Path = ()) -> list[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, item in items for one in ((*path, key), *paths(item, (*path, key)))]


def layer(data: dict[str, Any], name: str) -> Layer:
    """A layer whose every key was written in the file ``name``."""
    origin = Origin(Text(name, ""), Place(Span(0, 0)))
    return Layer(data, dict.fromkeys(paths(data), origin))


@given(tables, tables)
def test_merging_twice_is_merging_once(base: dict[str, Any], over: dict[str, Any]) -> None:
    once = merge(layer(base, "base"), layer(over, "over"))
    assert merge(once, layer(over, "over")) == once


@given(tables)
def test_nothing_changes_nothing_and_all_replaces_nothing(data: dict[str, Any]) -> None:
    nothing = layer({}, "nothing")
    assert merge(layer(data, "base"), nothing) == layer(data, "base")
    assert merge(nothing, layer(data, "over")) == layer(data, "over")


@given(tables, tables)
def test_origins_follow_the_data(base: dict[str, Any], over: dict[str, Any]) -> None:
    kept = copy.deepcopy((base, over))
    merged = merge(layer(base, "base"), layer(over, "over"))
    assert (base, over) == kept  # neither is changed
    assert set(merged.origins) == set(paths(merged.data))
    written = {path for path, origin in merged.origins.items() if origin.text.name == "over"}
    assert written == set(paths(over))


@given(tables, tables)
def test_what_is_said_holds(base: dict[str, Any], over: dict[str, Any]) -> None:
    merged = merge(layer(base, "base"), layer(over, "over")).data

    def holds(said: Any, found: Any) -> None:
        if isinstance(said, dict):
            for key, item in said.items():
                holds(item, found[key])
        else:
            assert found == said  # a list is replaced as a whole

    holds(over, merged)


def test_a_changed_use_drops_the_old_settings() -> None:
    base = layer({"head": {"use": "mlp", "hidden": [8], "dropout": 0.5}}, "base")
    same = merge(base, layer({"head": {"use": "mlp", "dropout": 0.1}}, "over"))
    assert same.data == {"head": {"use": "mlp", "hidden": [8], "dropout": 0.1}}
    other = merge(base, layer({"head": {"use": "linear"}}, "over"))
    assert other.data == {"head": {"use": "linear"}}
    assert ("head", "hidden") not in other.origins
    nothing_said = merge(base, layer({"head": {"dropout": 0.1}}, "over"))
    assert nothing_said.data["head"]["use"] == "mlp"


def test_another_way_of_freezing_replaces_the_old_one(write: Any, builtins: Registry) -> None:
    path = write("[[stages]]\n[[stages]]\nfreeze = { keras_layers = 700 }")
    for assignment in ("stages.1.freeze={fraction=0.37}", "stages.1.freeze.fraction=0.37"):
        (one,) = load(path, builtins, overrides=[assignment])
        assert one.recipe.stages[1].freeze == Freeze(fraction=0.37)


def test_a_setting_called_freeze_merges_like_any_other() -> None:
    base = layer({"backbone": {"use": "own", "freeze": {"from": 1}}}, "base")
    found = merge(base, layer({"backbone": {"freeze": {"to": 2}}}, "over"))
    assert found.data["backbone"]["freeze"] == {"from": 1, "to": 2}


def test_a_use_left_out_is_the_default_one() -> None:
    base = layer({"head": {"dropout": 0.5}}, "base")
    assert merge(base, layer({"head": {"use": "linear"}}, "over")).data["head"]["dropout"] == 0.5
    assert "dropout" not in merge(base, layer({"head": {"use": "mlp"}}, "over")).data["head"]


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def write(tmp_path: FilePath) -> Any:
    def written(text: str, name: str = "recipe.toml") -> FilePath:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return written


def one(path: FilePath, registry: Registry, *overrides: str) -> Recipe:
    (loaded,) = load(path, registry, overrides=overrides)
    return loaded.recipe


def test_an_empty_file_is_a_recipe(write: Any, builtins: Registry) -> None:
    recipe = one(write("", "nothing.toml"), builtins)
    assert recipe.name == "nothing"
    assert len(recipe.stages) == 1
    assert recipe.stages[0].optimizer.component_name == "adamw"


def test_a_chain_of_bases_is_laid_from_the_bottom(write: Any, builtins: Registry) -> None:
    write("[train]\nbatch_size = 1\naccumulate = 1\nema_decay = 0.5\n", "deep/bottom.toml")
    write('base = "bottom.toml"\n[train]\nbatch_size = 2\naccumulate = 2\n', "deep/middle.toml")
    path = write('base = "deep/middle.toml"\n[train]\nbatch_size = 3\n')
    train = one(path, builtins).train
    assert (train.batch_size, train.accumulate, train.ema_decay) == (3, 2, 0.5)
    (loaded,) = load(path, builtins)
    origins = {key: str(loaded.origins["train", key]) for key in ("batch_size", "accumulate", "ema_decay")}
    assert origins["batch_size"].endswith("recipe.toml:3:1")
    assert origins["accumulate"].endswith("middle.toml:4:1")
    assert origins["ema_decay"].endswith("bottom.toml:4:1")


def test_name_claim_variants_and_expect_are_the_files_own(write: Any, builtins: Registry) -> None:
    write(
        'name = "below"\nseed = 7\n[claim]\nval.accuracy = { above = 0.5 }\n[variants.a]\n[variants.b]\n'
        '[[expect]]\nmetric = "val.accuracy"\norder = ["a", "b"]\n',
        "below.toml",
    )
    path = write('base = "below.toml"\n', "above.toml")
    (loaded,) = load(path, builtins)
    assert (loaded.recipe.name, loaded.recipe.seed) == ("above", 7)
    assert loaded.recipe.claim is None
    assert loaded.expect == ()
    assert loaded.variant is None
    assert variants(path) == []


def test_a_cycle_of_bases_ends(write: Any, builtins: Registry) -> None:
    write('base = "two.toml"\n', "one.toml")
    write('base = "three.toml"\n', "two.toml")
    write('base = "two.toml"\n', "three.toml")
    for name in ("one.toml", "two.toml"):
        with pytest.raises(RecipeError, match="leads back"):
            load(write("", "x.toml").with_name(name), builtins)
    itself = write('base = "self.toml"\n', "self.toml")
    with pytest.raises(RecipeError, match="leads back"):
        load(itself, builtins)


def test_a_base_may_be_used_twice_in_different_chains(write: Any, builtins: Registry) -> None:
    write("seed = 5\n", "base.toml")
    first, second = write('base = "base.toml"\n', "a.toml"), write('base = "base.toml"\n', "b.toml")
    assert one(first, builtins).seed == one(second, builtins).seed == 5


@pytest.mark.parametrize("name", ["gone.toml", "", "folder"])
def test_a_base_that_is_no_file_is_an_input_missing(write: Any, builtins: Registry, name: str) -> None:
    path = write(f'base = "{name}"\n')
    (path.parent / "folder").mkdir()
    with pytest.raises(MissingInputError, match=r"recipe\.toml:1:8: no base recipe at"):
        load(path, builtins)


def test_a_recipe_that_is_not_there_names_the_like(write: Any, builtins: Registry) -> None:
    path = write("", "quickstart.toml")
    with pytest.raises(MissingInputError) as caught:
        load(path.with_name("quikstart.toml"), builtins)
    assert "quickstart.toml" in caught.value.hints[0]


VARIANTS = """
name = "table"
seed = 3
[head]
use = "linear"
dropout = 0.5
[claim]
val.accuracy = { above = 0.9 }
[variants.same]
[variants.other]
head = { use = "mlp" }
claim = { val = { accuracy = { below = 0.5 } } }
[variants.named]
name = "mine"
seed = 4
"""


def test_variants_are_overlays_with_claims_of_their_own(write: Any, builtins: Registry) -> None:
    path = write(VARIANTS)
    assert variants(path) == ["same", "other", "named"]
    same, other, named = (loaded.recipe for loaded in load(path, builtins))
    assert [same.name, other.name, named.name] == ["table-same", "table-other", "mine-named"]
    assert same.claim is None
    assert getattr(same.head, "dropout", None) == 0.5
    assert other.head.component_name == "mlp"
    assert getattr(other.head, "dropout", None) == 0.0
    assert other.claim is not None
    assert other.claim.bands["val"]["accuracy"].below == 0.5
    assert (same.seed, named.seed) == (3, 4)


def test_one_variant_can_be_chosen(write: Any, builtins: Registry) -> None:
    path = write(VARIANTS)
    (loaded,) = load(path, builtins, variant="other")
    assert loaded.variant == "other"
    with pytest.raises(UsageError, match="no variant `othr`") as caught:
        load(path, builtins, variant="othr")
    assert "did you mean `other`?" in caught.value.hints[0]
    with pytest.raises(UsageError, match="no variant `x`"):
        load(write("", "plain.toml"), builtins, variant="x")


def test_an_empty_variant_is_the_file_itself(write: Any, builtins: Registry) -> None:
    text = 'name = "x"\n[train]\nbatch_size = 4\n'
    plain = one(write(text, "plain.toml"), builtins)
    (loaded,) = load(write(text + "[variants.same]\n", "varied.toml"), builtins)
    assert loaded.recipe.name == "x-same"
    assert loaded.recipe.train == plain.train
    assert loaded.recipe.stages == plain.stages


def test_seeds_are_a_run_each(write: Any, builtins: Registry) -> None:
    loaded = load(write("seeds = [5, 1, 3]\n"), builtins)
    assert [run.recipe.seed for run in loaded] == [5, 1, 3]
    assert all(run.seeded for run in loaded)
    assert len({run.recipe.name for run in loaded}) == 1
    (single,) = load(write("seed = 5\n"), builtins)
    assert not single.seeded
    both = load(write("seeds = [1, 2]\n[variants.a]\n[variants.b]\nseeds = [3]\n"), builtins)
    assert [(run.variant, run.recipe.seed) for run in both] == [("a", 1), ("a", 2), ("b", 3)]


def test_folds_are_a_run_each_of_each_seed(write: Any, builtins: Registry) -> None:
    path = write("seeds = [1, 2]\n[split]\nfolds = 3\n")
    found = [(run.recipe.seed, run.recipe.split.fold, run.recipe.split.folds) for run in load(path, builtins)]
    assert found == [(seed, fold, 3) for seed in (1, 2) for fold in (1, 2, 3)]
    single = load(path, builtins, overrides=["split.fold=2", "seed=5"])
    assert [(run.recipe.seed, run.recipe.split.fold) for run in single] == [(5, 2)]
    assert len(load(write("[split]\nval = 0.2\n"), builtins, overrides=["split.folds=4"])) == 4


def test_the_newer_of_seed_and_seeds_holds(write: Any, builtins: Registry) -> None:
    path = write("seeds = [1, 2, 3]\n")
    assert one(path, builtins, "seed=9").seed == 9
    write('base = "recipe.toml"\nseed = 4\n', "above.toml")
    assert one(path.with_name("above.toml"), builtins).seed == 4
    seeded = load(write("seed = 4\n"), builtins, overrides=["seeds=[1, 2]"])
    assert [run.recipe.seed for run in seeded] == [1, 2]


# --- --set ---------------------------------------------------------------------------------------------------------


def test_set_reaches_everywhere(write: Any, builtins: Registry) -> None:
    path = write(
        '[[stages]]\nname = "a"\noptimizer = { use = "adam", lr = 1.0, eps = 1.0 }\n[[stages]]\nname = "b"\n'
        '[[augment]]\nuse = "flip"\n'
    )
    recipe = one(
        path,
        builtins,
        "stages.0.optimizer.lr=1e-4",
        "stages.1.epochs=3",
        "augment.0.p=0.25",
        "train.batch_size = 64",
        "head.use=mlp",
        "head.hidden=[8, 4]",
        "dataset={use = 'npz', file = 'x.npz'}",
        "claim.val.accuracy.above=0.5",
    )
    first, second = recipe.stages
    assert (getattr(first.optimizer, "lr", None), getattr(first.optimizer, "eps", None)) == (1e-4, 1.0)
    assert (first.name, second.name, second.epochs) == ("a", "b", 3)
    assert recipe.augment[0].p == 0.25
    assert recipe.train.batch_size == 64
    assert getattr(recipe.head, "hidden", None) == (8, 4)
    assert getattr(recipe.dataset, "file", None) == FilePath("x.npz")
    assert recipe.claim is not None
    assert recipe.claim.bands["val"]["accuracy"].above == 0.5


def test_set_finds_the_lists_that_are_defaults(write: Any, builtins: Registry) -> None:
    recipe = one(write(""), builtins, "stages.0.epochs=1", "evaluate.1.part=val", "split.seed=7")
    assert (recipe.stages[0].epochs, recipe.evaluate[1].part, recipe.split.seed) == (1, "val", 7)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("quick", "quick"),
        ('"quick"', "quick"),
        ("a b", "a b"),
        ("1979-05-27x", "1979-05-27x"),
        ("x\ny = 2", None),
        ("'1'", "1"),
    ],
)
def test_a_value_is_toml_or_bare_text(write: Any, builtins: Registry, text: str, value: str | None) -> None:
    claim = one(write(""), builtins, f"claim.place={text}").claim
    assert claim is not None
    assert claim.place == (text if value is None else value)


def test_a_value_may_hold_equals_signs(write: Any, builtins: Registry) -> None:
    assert getattr(one(write(""), builtins, "dataset={use='npz',file='a=b'}").dataset, "file", None) == FilePath("a=b")


def test_a_later_set_holds_and_says_so(write: Any, builtins: Registry) -> None:
    (loaded,) = load(write("seed = 1\n"), builtins, overrides=["seed=2", "seed=3"])
    assert loaded.recipe.seed == 3
    assert str(loaded.origins["seed",]) == "--set seed=3"


def test_set_acts_on_every_variant(write: Any, builtins: Registry) -> None:
    loaded = load(write(VARIANTS), builtins, overrides=["seed=9"])
    assert [run.recipe.seed for run in loaded] == [9, 9, 9]


@pytest.mark.parametrize(
    "assignment", ["seed", "", "=3", " = 3", "stages.1.epochs=1", "stages.-1.epochs=1", "stages.x=1", "a..b=1", ".a=1"]
)
def test_a_set_that_says_nothing_is_wrong_usage(write: Any, builtins: Registry, assignment: str) -> None:
    with pytest.raises(UsageError, match="--set"):
        load(write(""), builtins, overrides=[assignment])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_no_assignment_breaks_anything(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text("")
    registry = Registry(components={}, plugins=())
    for assignment in (text, f"name={text}", f"{text}=1", f"stages.{text}=1"):
        with pytest.raises((RecipeProblems, UsageError)):  # nothing is registered, so no recipe is right
            load(path, registry, overrides=[assignment])


# --- reading -------------------------------------------------------------------------------------------------------


def loaded_of(path: FilePath, content: bytes, registry: Registry) -> Loaded:
    path.write_bytes(content)
    (loaded,) = load(path, registry)
    return loaded


def test_marks_and_line_ends_of_other_systems_are_read(tmp_path: FilePath, builtins: Registry) -> None:
    plain = loaded_of(tmp_path / "x.toml", b"seed = 3\n[train]\nbatch_size = 4\n", builtins)
    windows = loaded_of(tmp_path / "x.toml", b"\xef\xbb\xbfseed = 3\r\n[train]\r\nbatch_size = 4\r\n", builtins)
    assert windows.recipe == plain.recipe
    assert str(windows.origins["train", "batch_size"]) == str(plain.origins["train", "batch_size"])


def test_a_file_too_large_is_refused_unread(tmp_path: FilePath, builtins: Registry) -> None:
    path = tmp_path / "x.toml"
    path.write_text("#" * (1 << 20) + "\n")
    with pytest.raises(RecipeError, match="a recipe has at most 1,048,576"):
        load(path, builtins)


@given(st.binary(max_size=40) | st.text(alphabet="[]{}=.,#'\"\\\n abc01-", max_size=40).map(str.encode))
def test_no_file_breaks_anything(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "some.toml"
    path.write_bytes(content)
    with pytest.raises((RecipeError, MissingInputError)):
        load(path, Registry(components={}, plugins=()))


HOSTILE = {
    "lists": "x = " + "[" * 399 + "]" * 399,
    "lists_too_deep": "x = " + "[" * 5000 + "]" * 5000,
    "tables": "x = " + "{ a = " * 399 + "1" + " }" * 399,
    "dotted": "x." * 999 + "x = 1",
    "dotted_table": "[" + "x." * 999 + "x]",
    "dotted_too_deep": "x." * 50_000 + "x = 1",
    "hexadecimal": "seed = 0x" + "f" * 5000,
    "digits": "seed = " + "9" * 5000,
    "exponent": "[head]\ndropout = 1e400",
    "long_key": "k" * 100_000 + " = 1",
    "long_text": 'seed = "' + "x" * 100_000 + '"',
    "many": "\n".join(f"k{number} = 1" for number in range(300)),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_in_words(case: str, tmp_path: FilePath, builtins: Registry) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HOSTILE[case])
    with pytest.raises(RecipeError) as caught:
        load(path, builtins)
    first = str(caught.value).split("\n")[0]
    assert first.startswith(str(path))
    if case != "long_key":
        assert len(first) < len(str(path)) + 300


@pytest.mark.parametrize("case", ["lists", "lists_too_deep", "tables", "hexadecimal", "digits", "exponent"])
def test_a_hostile_value_is_refused_in_words(case: str, tmp_path: FilePath, builtins: Registry) -> None:
    path = tmp_path / "x.toml"
    path.write_text("")
    with pytest.raises((RecipeProblems, UsageError), match="--set"):
        load(path, builtins, overrides=["head.dropout=" + HOSTILE[case].partition(" = ")[2]])
