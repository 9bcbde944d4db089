from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellcls.api import Cleaner, Dataset, component, param
from cellcls.errors import DataError, MissingInputError
from cellcls.recipe import load
from cellcls.registry import Registry, load_registry
from cellcls.runs.inputs import Inputs, find_inputs, open_given, recognised
from cellcls.runs.options import Options
from cellcls.testing.runs import registry_with


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("CELLCLS_DATA", raising=False)
    return tmp_path


def npz(path: Path, **arrays: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    held = arrays or {"images": np.zeros((4, 8, 8, 3), np.uint8), "labels": np.arange(4) % 2}
    np.savez(path, **held)
    return path


def find(place: Path, registry: Registry, file: str = "set.npz", more: str = "", **options: object) -> Inputs:
    recipe = place / "recipes" / "r.toml"
    recipe.write_text(f'[dataset]\nuse = "npz"\nfile = "{file}"\n{more}')
    return find_inputs(load(recipe, registry)[0].recipe, recipe, registry, Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("file", ["set.npz", "sub/set.npz"])
def test_places_are_looked_at_in_order(place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, file: str):
    monkeypatch.setenv("CELLCLS_DATA", str(place / "variable"))
    folders = [place / "given", place / "recipes", place / "here" / "data", place / "variable"]
    files = [npz(folder / file) for folder in folders]
    for number, expected in enumerate(files):
        found = find(place, registry, file, data=folders[0] if number == 0 else None)
        assert found.path == expected.resolve()
        assert found.recipe.dataset.file == expected.resolve()
        assert not found.given
        expected.unlink()
    with pytest.raises(MissingInputError) as caught:
        find(place, registry, file)
    for folder in folders[1:]:
        assert str(folder.relative_to(place / "here") if folder.is_relative_to(place / "here") else folder) in str(
            caught.value
        )


def test_a_file_named_with_its_folder_is_found_in_the_folder_given(place: Path, registry: Registry):
    file = npz(place / "given" / "set.npz")
    assert find(place, registry, "sub/set.npz", data=place / "given").path == file


def test_an_absolute_file_that_moved(place: Path, registry: Registry):
    file = npz(place / "given" / "set.npz")
    assert find(place, registry, str(place / "gone" / "set.npz"), data=place / "given").path == file
    with pytest.raises(MissingInputError, match="gone"):
        find(place, registry, str(place / "gone" / "set.npz"))


@pytest.mark.parametrize("file", ["/gone/set.npz", "C:/gone/set.npz", r"C:\\gone\\set.npz", "~/gone/set.npz"])
def test_an_absolute_file_is_no_file_of_its_name_elsewhere(
    place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch, file: str
):
    monkeypatch.setenv("CELLCLS_DATA", str(place / "variable"))
    monkeypatch.setenv("HOME", str(place / "home"))
    for folder in ("recipes", "here/data", "variable"):
        npz(place / folder / "set.npz")
    with pytest.raises(MissingInputError, match=r"gone.set\.npz` is not there") as caught:
        find(place, registry, file)
    assert "--data" in str(caught.value)
    assert "CELLCLS_DATA names" not in str(caught.value)
    given = npz(place / "given" / "set.npz")
    assert find(place, registry, file, data=given.parent).path == given


def test_an_absolute_file_of_a_cleaner_is_that_file(place: Path, registry: Registry):
    npz(place / "recipes" / "set.npz")
    npz(place / "recipes" / "other.npz")
    with pytest.raises(MissingInputError, match=r"/gone/other\.npz` of the cleaner"):
        find(place, registry, more=SHARED.replace("other.npz", "/gone/other.npz"))


def test_home_folders_are_found(place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(place / "home"))
    file = npz(place / "home" / "sets" / "set.npz")
    assert find(place, registry, "~/sets/set.npz").path == file
    monkeypatch.setenv("CELLCLS_DATA", "~/sets")
    assert find(place, registry, "set.npz").path == file
    npz(place / "recipes" / "set.npz")
    with pytest.raises(MissingInputError, match="~nobody-of-this-name/set"):
        find(place, registry, "~nobody-of-this-name/set.npz")


def test_the_variable_is_told_of_only_where_it_is_not_set(
    place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(MissingInputError, match="it is not set"):
        find(place, registry)
    monkeypatch.setenv("CELLCLS_DATA", "x")
    with pytest.raises(MissingInputError) as caught:
        find(place, registry)
    assert "it is not set" not in str(caught.value)


def test_a_set_given_takes_the_place_of_the_recipes(place: Path, registry: Registry):
    file = npz(place / "other.npz")
    found = find(place, registry, data=file)
    assert found.given
    assert found.path == file
    assert found.recipe.dataset.component_name == "npz"


def test_a_set_of_the_recipes_kind_keeps_its_settings(place: Path, registry: Registry):
    file = npz(place / "other.npz")
    assert find(place, registry, more='classes = ["a", "b"]\n', data=file).recipe.dataset.classes == ("a", "b")


def test_a_set_of_another_kind_has_settings_of_its_own(place: Path, registry: Registry):
    pixels = np.zeros((2, 8, 8, 3), np.uint8)
    parts = {
        f"{part}_{what}": pixels if what == "images" else np.arange(2)
        for part in ("train", "val", "test")
        for what in ("images", "labels")
    }
    found = find(place, registry, more='classes = ["a", "b"]\n', data=npz(place / "other.npz", **parts))
    assert found.recipe.dataset.component_name == "medmnist"
    assert found.recipe.dataset.classes is None


def test_what_is_no_set(place: Path, registry: Registry):
    odd = npz(place / "odd.npz", pictures=np.zeros(3))
    assert recognised(odd, registry) is None
    with pytest.raises(DataError, match="it holds `pictures`"):
        open_given(odd, registry)
    with pytest.raises(MissingInputError, match="no data at"):
        open_given(place / "nowhere", registry)
    (place / "text.md").write_text("hello")
    with pytest.raises(DataError, match="no data set"):
        open_given(place / "text.md", registry)


class Slides(Dataset):
    """A set that is recognised by a file in it."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / "slides.txt").exists()


@component("zz_slides")
class Named(Slides):
    """Whose name is the last to be asked."""

    file: Path = param(default=Path("set"), help="The folder with slides.txt.")
    digits: int = param(default=1, help="A setting of its own.")


@component("a_broken")
class Raising(Dataset):
    """Cannot tell what it recognises."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        raise PermissionError("not\nallowed")


@pytest.fixture
def slides(place: Path) -> Path:
    """A folder that looks like two classes, too."""
    for name in ("one", "two", "slides"):
        (place / "given" / name).mkdir(parents=True)
        (place / "given" / name / "1.png").touch()
    (place / "given" / "slides.txt").touch()
    return place / "given"


def test_the_most_general_set_is_asked_last(slides: Path):
    assert type(recognised(slides, registry_with(Named))) is Named
    (slides / "slides.txt").unlink()
    assert recognised(slides, registry_with(Named)).component_name == "folder"  # type: ignore[union-attr]


def test_the_recipes_own_set_is_asked_first(place: Path, slides: Path):
    npz(place / "one.npz")
    recipe = place / "recipes" / "r.toml"
    recipe.write_text('[dataset]\nuse = "zz_slides"\ndigits = 3\n')
    both = registry_with(Named)
    found = find_inputs(load(recipe, both)[0].recipe, recipe, both, Options(data=slides))
    assert (found.recipe.dataset.component_name, found.recipe.dataset.digits) == ("zz_slides", 3)
    recipe.write_text('[dataset]\nuse = "folder"\nfile = "x"\non_bad_image = "skip"\n')
    found = find_inputs(load(recipe, both)[0].recipe, recipe, both, Options(data=slides))
    assert (found.recipe.dataset.component_name, found.recipe.dataset.on_bad_image) == ("folder", "skip")


def test_a_set_that_fails_to_recognise_is_told_and_passed_over(slides: Path, caplog: pytest.LogCaptureFixture):
    assert type(recognised(slides, registry_with(Raising, Named))) is Named
    assert "the data set `a_broken` of the plugin tested cannot tell" in caplog.text
    assert "PermissionError: not allowed" in caplog.text


def test_weights_are_told_of_with_their_size(place: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(place / "hub"))
    backbone = '[backbone]\nuse = "timm"\nmodel = "tf_efficientnetv2_l.in1k"\npretrained = true\n'
    with pytest.raises(MissingInputError) as caught:
        find(place, registry, more=backbone)
    assert "tf_efficientnetv2_l.in1k (about 476 MB, not here yet)" in str(caught.value)
    weights = place / "weights"
    weights.mkdir()
    (weights / "tf_efficientnetv2_l.in1k.safetensors").touch()
    with pytest.raises(MissingInputError) as caught:
        find(place, registry, more=backbone, weights=weights)
    assert "at hand" in str(caught.value)


def test_a_rehearsal_needs_nothing(place: Path, registry: Registry):
    found = find(place, registry, more="[[stages]]\nepochs = 9\n", rehearse=True)
    assert found.path is None
    assert found.recipe.dataset.component_name == "synthetic"
    assert [stage.epochs for stage in found.recipe.stages] == [1]


SHARED = '[[cleaners]]\nuse = "drop_shared"\nagainst = { use = "npz", file = "other.npz" }\n'


def test_the_other_set_of_a_cleaner_is_found_where_files_are(place: Path, registry: Registry):
    npz(place / "recipes" / "set.npz")
    with pytest.raises(MissingInputError, match=r"`other\.npz` of the cleaner `drop_shared` is not there") as caught:
        find(place, registry, more=SHARED)
    assert str(place / "recipes" / "other.npz") in str(caught.value)
    assert "BloodMNIST" in str(caught.value)
    other = npz(place / "recipes" / "other.npz")
    (cleaner,) = find(place, registry, more=SHARED).recipe.cleaners
    assert cleaner.against.file == other.resolve()
    assert not find(place, registry, more=SHARED, rehearse=True).recipe.cleaners


@component("zz_atlas")
class Atlas(Dataset):
    """A set whose folder, and a table beside it, are settings that no built-in has."""

    channels: tuple[Path, ...] = param(default=(), help="Further files.")
    root: Path | None = param(default=None, help="The folder with atlas.txt.")
    table: Path = param(default=Path("table.csv"), help="The table of its classes.")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / "atlas.txt").exists()


@component("zz_listed")
class Listed(Cleaner):
    """A cleaner that reads lists and looks at other sets."""

    lists: tuple[Path, ...] = param(default=(), help="Lists of images.")
    others: tuple[Dataset, ...] = param(default=(), help="Other sets.")


@pytest.fixture
def atlas(place: Path) -> Callable[..., Inputs]:
    """A function that finds the inputs of a recipe with an atlas."""

    def found(recipe: str, **options: Any) -> Inputs:
        file = place / "recipes" / "r.toml"
        file.write_text(recipe)
        registry = registry_with(Atlas, Listed)
        return find_inputs(load(file, registry)[0].recipe, file, registry, Options(**options))

    for name in ("recipes/atlas/atlas.txt", "recipes/table.csv", "moved/atlas.txt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    return found


def test_a_set_is_found_by_its_first_path_whatever_it_is_called(place: Path, atlas: Callable[..., Inputs]):
    found = atlas('[dataset]\nuse = "zz_atlas"\nroot = "atlas"\n')
    assert found.path == found.recipe.dataset.root == place / "recipes" / "atlas"
    assert found.recipe.dataset.table == place / "recipes" / "table.csv"
    given = atlas('[dataset]\nuse = "zz_atlas"\nroot = "nowhere"\n', data=place / "moved")
    assert given.path == given.recipe.dataset.root == place / "moved"
    assert given.recipe.dataset.table == place / "recipes" / "table.csv"
    with pytest.raises(MissingInputError, match="its data set `gone` is not there"):
        atlas('[dataset]\nuse = "zz_atlas"\nroot = "gone"\n')


def test_a_set_may_have_a_path_and_not_need_it(atlas: Callable[..., Inputs]):
    assert atlas('[dataset]\nuse = "zz_atlas"\n').path is None


def test_other_files_of_a_set_must_be_there(place: Path, atlas: Callable[..., Inputs]):
    (place / "recipes" / "table.csv").unlink()
    with pytest.raises(MissingInputError, match=r"`table\.csv` of the dataset `zz_atlas` is not there"):
        atlas('[dataset]\nuse = "zz_atlas"\nroot = "atlas"\n')


def test_files_of_a_cleaner_are_found_whatever_they_are_called(place: Path, atlas: Callable[..., Inputs]):
    more = '[[cleaners]]\nuse = "zz_listed"\nlists = ["table.csv"]\nothers = [{ use = "zz_atlas", root = "atlas" }]\n'
    (cleaner,) = atlas('[dataset]\nuse = "synthetic"\n' + more).recipe.cleaners
    assert cleaner.lists == (place / "recipes" / "table.csv",)
    assert cleaner.others[0].root == place / "recipes" / "atlas"
    with pytest.raises(MissingInputError, match=r"`no\.csv` of the cleaner `zz_listed` is not there"):
        atlas('[dataset]\nuse = "synthetic"\n' + more.replace("table.csv", "no.csv"))


def test_a_set_that_is_nowhere_is_told_and_passed_over(slides: Path, caplog: pytest.LogCaptureFixture):
    @component("a_nowhere")
    class Nowhere(Slides):
        """Recognises a path, and has no setting for it."""

    assert type(recognised(slides, registry_with(Nowhere, Named))) is Named
    assert "the data set `a_nowhere` has no setting of type Path" in caplog.text


def test_a_path_that_no_recipe_can_say(place: Path, registry: Registry):
    folder = place / os.fsdecode(b"odd \xff")
    try:
        npz(folder / "set.npz")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    with pytest.raises(DataError, match=r"odd \\xff/set\.npz: a name that is no UTF-8"):
        find(place, registry, data=folder)


def test_a_name_with_control_characters(place: Path, registry: Registry):
    npz(place / "a\tb" / "set.npz")
    with pytest.raises(DataError, match="control characters"):
        find(place, registry, data=place / "a\tb")
