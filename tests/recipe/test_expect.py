from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.recipe import Expect, RecipeProblems, load
from cellcls.registry import load_registry

VARIANTS = "[variants.lion]\n[variants.adam]\n[variants.fair_a]\n"
ORDER = '[[expect]]\nmetric = "val.accuracy"\norder = ["lion", "adam"]\n'


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture
def read(tmp_path: Path, registry):
    def call(text: str, **more):
        path = tmp_path / "file.toml"
        path.write_text(text)
        return load(path, registry, **more)

    return call


def test_every_run_of_a_file_knows_what_is_expected_of_all(read):
    loaded = read(ORDER + VARIANTS)
    assert [one.variant for one in loaded] == ["lion", "adam", "fair_a"]
    assert {one.expect for one in loaded} == {(Expect(metric="val.accuracy", order=("lion", "adam")),)}


@pytest.mark.parametrize(
    "said",
    [
        'metric = "test.accuracy"\namong = ["lion", "fair_*"]\nwithin = 0.02',
        'metric = "train_running.loss"\ndifference = ["lion", "adam"]\nvalue = 1\ntolerance = 0.1',
        'metric = "accuracy"\norder = ["val", "test"]',
        'metric = "val.macro_f1"\norder = ["lion", "beside", "beside-row"]',
        'metric = "val.loss"\norder = ["lion", "file-adam"]\nslack = 0.1',
    ],
)
def test_what_the_grammar_allows_is_read(read, tmp_path: Path, said: str):
    (tmp_path / "beside.toml").write_text("")
    assert len(read(f"[[expect]]\n{said}\n{VARIANTS}")[0].expect) == 1


@pytest.mark.parametrize(
    ("said", "place", "message"),
    [
        ('metric = "val.accuracy"\norder = ["lion", "adm"]', "3:18", "did you mean `adam`?"),
        ('metric = "val.accuracy"\norder = ["lion", "unfair_*"]', "3:18", "no variant matches `unfair_*`"),
        ('metric = "val.acuracy"\norder = ["lion", "adam"]', "2:10", "did you mean `val.accuracy`?"),
        ('metric = "remote.accuracy"\norder = ["lion", "adam"]', "2:10", "is not a metric of this recipe"),
        ('metric = "accuracy"\namong = ["test", "tta"]\nwithin = 0.1', "3:18", "no evaluation is called `tta`"),
        ('metric = "val.accuracy"\norder = ["lion"]', "1:3", "needs two or more different entries"),
        ('metric = "val.accuracy"\norder = ["lion", "lion"]', "1:3", "needs two or more different entries"),
        ('metric = "val.accuracy"', "1:3", "takes exactly one of `order`, `among`, `difference`"),
        ('metric = "val.accuracy"\namong = ["lion", "adam"]', "1:3", "takes `among` and `within` together"),
        ('metric = "val.accuracy"\nslack = 1\namong = ["lion", "adam"]\nwithin = 1', "1:3", "`slack` with `order`"),
        ('metric = "val.accuracy"\ndifference = ["lion", "adam"]\nvalue = 1', "1:3", "`value` and `tolerance`"),
        ('metric = "val.accuracy"\ndifference = ["lion"]\nvalue = 1\ntolerance = 1', "3:14", "a list of 2"),
        ('metric = "val.accuracy"\nodrer = ["lion", "adam"]', "3:1", "did you mean `order`?"),
        ('order = ["lion", "adam"]', "1:3", "`metric` is missing"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(read, tmp_path: Path, said: str, place: str, message: str):
    with pytest.raises(RecipeProblems) as caught:
        read(f"[[expect]]\n{said}\n{VARIANTS}")
    assert f"{tmp_path}/file.toml:{place}: " in str(caught.value)
    assert message in str(caught.value)
    assert caught.value.exit_code == 78


def test_no_table_of_a_file_but_a_list_of_them(read):
    with pytest.raises(RecipeProblems, match="`expect` must be a list"):
        read(f'[expect]\nmetric = "val.accuracy"\n{VARIANTS}')


def test_it_is_never_taken_over_from_a_base(read, tmp_path: Path):
    (tmp_path / "below.toml").write_text(ORDER + VARIANTS)
    [loaded] = read('base = "below.toml"\n')
    assert loaded.expect == ()


def test_one_variant_alone_may_be_run(read):
    [loaded] = read(ORDER + VARIANTS, variant="adam")
    assert len(loaded.expect) == 1


def test_a_recipe_of_the_same_call_may_be_named(read, tmp_path: Path):
    text = ORDER.replace('"adam"', '"far"') + VARIANTS
    with pytest.raises(RecipeProblems, match="no variant and no recipe is called `far`"):
        read(text)
    assert read(text, others=[tmp_path / "elsewhere" / "far.toml"])
