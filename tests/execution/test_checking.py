"""Checking recipes: what is wrong with any of them is told in one list."""

from __future__ import annotations

import pytest

from cellcls.engine import check
from cellcls.errors import CellclsError, DataError
from cellcls.execution.checking import check_all


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recipes that were tried, of which none is built; `bad` is refused."""
    names: list[str] = []

    def tried(inputs, _options, _registry) -> str:
        names.append(inputs.recipe.name)
        if "bad" in inputs.recipe.name:
            raise DataError(f"{inputs.recipe.name} has no images")
        return inputs.recipe.name

    monkeypatch.setattr(check, "check_run", tried)
    return names


def test_every_recipe_is_checked_in_its_order(loaded, context) -> None:
    found = check_all([*loaded(name="b"), *loaded(name="a")], context)
    assert found == ["b", "a"]


def test_all_problems_are_told_together(loaded, context, checked) -> None:
    with pytest.raises(CellclsError) as told:
        check_all([*loaded(name="bad1"), *loaded(name="fine"), *loaded(name="bad2")], context)
    assert checked == ["bad1", "fine", "bad2"]
    assert "bad1 has no images" in str(told.value)
    assert "bad2 has no images" in str(told.value)


def test_inputs_that_are_missing_are_told_before_anything_is_built(loaded, context, checked) -> None:
    missing = 'dataset = { use = "npz", file = "no.npz" }\n'
    with pytest.raises(CellclsError, match=r"no\.npz"):
        check_all([*loaded(f"[variants.a]\n{missing}[variants.b]\n"), *loaded(name="other")], context)
    assert checked == []


def test_a_run_of_the_same_call_need_not_be_there_yet(loaded, context) -> None:
    two = '[variants.a]\n[variants.b]\ninit.from = "tiny-a"\n'
    assert check_all(loaded(two), context) == ["tiny-a", "tiny-b"]
    with pytest.raises(CellclsError, match="tiny-a"):
        check_all(loaded(two)[1:], context)
