"""Which arguments are runs and which images; the installed model where no run is named."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import TrainedModel
from cellcls.errors import MissingInputError, MissingPluginError, UsageError
from cellcls.registry import PluginRecord, Registry
from cellcls.runs.chosen import choose, is_run, leading_runs, refuse_absent

RUNS = ("whole", "young", "copied", "table", "alone.safetensors", "gone.safetensors", "old.pth")
OTHERS = ("cells", "config", "photo.png", "set.npz", "nowhere", "nowhere.png")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs and images: some of what people have in a folder."""
    folder = tmp_path_factory.mktemp("place")
    for file in (
        *("whole/recipe.toml", "whole/options.json", "whole/best.safetensors"),
        *("young/recipe.toml", "young/options.json"),  # no epoch has ended yet
        "copied/best.safetensors",
        "table/runs.json",
        *("alone.safetensors", "old.pth"),
        *("cells/basophil/1.png", "config/recipe.toml", "config/photo.png", "photo.png", "set.npz"),
    ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    return folder


@pytest.mark.parametrize("name", [*RUNS, *OTHERS])
def test_what_is_a_run(place: Path, name: str) -> None:
    assert is_run(place / name) == (name in RUNS)


@given(runs=st.lists(st.sampled_from(RUNS)), others=st.lists(st.sampled_from(OTHERS)))
def test_leading_runs_are_runs_and_all_else_is_images(place: Path, runs: list[str], others: list[str]) -> None:
    given_runs, given_others = [place / name for name in runs], [place / name for name in others]
    assert leading_runs([*given_runs, *given_others]) == (given_runs, given_others)


@given(
    before=st.lists(st.sampled_from(RUNS)),
    image=st.sampled_from(OTHERS),
    late=st.sampled_from(RUNS),
    after=st.lists(st.sampled_from(OTHERS)),
)
def test_a_run_behind_images_is_refused(
    place: Path, before: list[str], image: str, late: str, after: list[str]
) -> None:
    with pytest.raises(UsageError, match=f"{late}: a run behind images"):
        leading_runs([place / name for name in (*before, image, late, *after)])


def test_a_recipe_in_the_place_of_a_run_is_refused(place: Path) -> None:
    recipe = place / "config" / "recipe.toml"
    with pytest.raises(UsageError, match="a recipe, not a run"):
        leading_runs([recipe, place / "photo.png"])
    assert leading_runs([place / "whole", recipe]) == ([place / "whole"], [recipe])  # an image that cannot be read


def test_images_must_be_there(place: Path) -> None:
    refuse_absent([place / "photo.png", place / "cells"])
    with pytest.raises(MissingInputError, match=r"nowhere, .*nowhere\.png"):
        refuse_absent([place / "photo.png", place / "nowhere", place / "nowhere.png"])
    with pytest.raises(UsageError, match="no images"):
        refuse_absent([])


# --- the installed model ----------------------------------------------------------------------------------------

BROKEN = PluginRecord(name="broken", distribution="cellcls-broken", version="1", origin="x", failure="import failed")


def registry(*plugins: PluginRecord) -> Registry:
    return Registry(components={}, plugins=plugins)


def plugin(weights: Path, name: str = "some_cells") -> PluginRecord:
    model = TrainedModel(name=name, title="A few cells", weights=weights)
    return PluginRecord(name=name, distribution=f"cellcls-{name}", version="2.5", origin="x", models=(model,))


def test_without_a_run_it_is_the_installed_model(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    chosen = choose([], registry(BROKEN, plugin(tmp_path / "model.safetensors")))
    digest = hashlib.blake2b(b"weights", digest_size=16).hexdigest()
    assert chosen.runs == (tmp_path / "model.safetensors",)
    assert chosen.models == chosen.names == (f"some_cells 2.5 ({digest[:12]})",)


def test_its_name_stands_for_it_unless_there_is_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    installed = registry(plugin(tmp_path / "model.safetensors"))
    chosen = choose([Path("some_cells"), Path("runs/a-1")], installed)
    assert chosen.runs == (tmp_path / "model.safetensors", Path("runs/a-1"))
    assert [name.split()[0] for name in chosen.names] == ["some_cells", "runs/a-1"]
    assert len(chosen.models) == 1
    Path("some_cells").mkdir()
    assert choose([Path("some_cells")], installed).runs == (Path("some_cells"),)


def test_a_run_needs_no_model() -> None:
    assert choose([Path("a"), Path("b")], registry()).names == ("a", "b")


@pytest.mark.parametrize("plugins", [(), (BROKEN,)])
def test_without_a_model_it_says_what_to_install(plugins: tuple[PluginRecord, ...]) -> None:
    with pytest.raises(MissingPluginError, match="no trained model is installed") as refused:
        choose([], registry(*plugins))
    assert 'pip install "cellcls[model]"' in str(refused.value)
    assert ("broken" in str(refused.value)) == bool(plugins)


def test_two_models_must_be_told_apart(tmp_path: Path) -> None:
    first = plugin(tmp_path / "model.safetensors")
    with pytest.raises(UsageError, match="some_cells, more_cells"):
        choose([], registry(first, plugin(tmp_path / "other.safetensors", "more_cells")))


def test_a_package_without_weights_says_so(tmp_path: Path) -> None:
    empty = attrs.evolve(plugin(tmp_path / "model.safetensors"), name="x")
    with pytest.raises(MissingInputError, match=r"`some_cells` of cellcls-some_cells 2.5 has no weights at .*model"):
        choose([], registry(empty))
