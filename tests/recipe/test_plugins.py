"""``requires``: a plugin that is not there is named with the way to get it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from cellcls.errors import ExitCode, MissingPluginError
from cellcls.recipe import RecipeProblems, load
from cellcls.registry import PluginRecord, Registry

NOWHERE = 'requires = ["cellcls-nowhere"]\n[head]\nuse = "nowhere"\npower = 3\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def refused(path: Path, registry: Registry) -> MissingPluginError:
    with pytest.raises(MissingPluginError) as caught:
        load(path, registry)
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
    return caught.value


def test_a_missing_plugin_comes_with_the_place_to_install_it_from(tmp_path: Path, builtins: Registry) -> None:
    error = refused(written(tmp_path, NOWHERE), builtins)
    assert "`cellcls-nowhere`" in error.message
    assert "install it from the folder plugins/cellcls-nowhere of the cellcls repository" in error.hints[0]
    assert "pip install cellcls-nowhere" not in str(error)  # a name that anybody could have taken
    assert "nowhere`" not in str(error).replace("`cellcls-nowhere`", "")  # its head is no problem of its own


def test_a_plugin_of_the_checkout_is_installed_from_there(
    tmp_path: Path, builtins: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins" / "cellcls-nowhere").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert "install it: pip install ./plugins/cellcls-nowhere" in refused(written(tmp_path, NOWHERE), builtins).hints


def test_all_missing_plugins_of_all_variants_are_named(tmp_path: Path, builtins: Registry) -> None:
    text = 'requires = ["b-x"]\n[variants.one]\n[variants.two]\nrequires = ["a-x", "cellcls"]\n'
    error = refused(written(tmp_path, text), builtins)
    assert "`a-x`, `b-x`" in error.message
    assert "`cellcls`" not in error.message


def test_a_plugin_that_does_not_load_is_told_with_its_reason(tmp_path: Path, builtins: Registry) -> None:
    broken = PluginRecord(
        name="nowhere", distribution="cellcls_Nowhere", version="1", origin="nowhere", failure="import failed: boom"
    )
    registry = attrs.evolve(builtins, plugins=(*builtins.plugins, broken))
    (reason, *_) = refused(written(tmp_path, NOWHERE), registry).hints
    assert reason == "cellcls-nowhere is installed but does not load: import failed: boom"


def test_an_installed_plugin_is_found_by_any_spelling(tmp_path: Path, builtins: Registry) -> None:
    there = PluginRecord(name="stain", distribution="cellcls-stain_mix", version="1", origin="stain")
    registry = attrs.evolve(builtins, plugins=(*builtins.plugins, there))
    (loaded,) = load(written(tmp_path, 'requires = ["Cellcls_Stain-mix", "cellcls"]\n'), registry)
    assert loaded.recipe.requires == ("Cellcls_Stain-mix", "cellcls")


def test_mistakes_of_the_recipe_come_first(tmp_path: Path, builtins: Registry) -> None:
    with pytest.raises(RecipeProblems) as caught:
        load(written(tmp_path, NOWHERE + "[train]\nbatch_size = 0\n"), builtins)
    assert len(caught.value.shown) == 1
    assert "batch_size" in caught.value.shown[0]


def test_with_nothing_missing_an_unknown_component_is_a_mistake(tmp_path: Path, builtins: Registry) -> None:
    with pytest.raises(RecipeProblems, match="no head is called `nowhere`"):
        load(written(tmp_path, NOWHERE.replace("cellcls-nowhere", "cellcls")), builtins)


def test_only_a_rehearsal_freezes_random_weights(tmp_path: Path, builtins: Registry) -> None:
    path = written(tmp_path, '[backbone]\nuse = "cnn5"\n[[stages]]\nfreeze = "backbone"\n')
    with pytest.raises(RecipeProblems, match="random weights"):
        load(path, builtins)
    (loaded,) = load(path, builtins, rehearse=True)
    assert loaded.recipe.stages[0].freeze == "backbone"


def test_what_was_trained_before_may_be_frozen(tmp_path: Path, builtins: Registry) -> None:
    path = written(tmp_path, '[backbone]\nuse = "cnn5"\n[[stages]]\n[[stages]]\nfreeze = "backbone"\n')
    assert len(load(path, builtins)[0].recipe.stages) == 2
