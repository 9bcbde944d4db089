"""``predict``, ``evaluate`` and ``explain`` with an installed model, with several runs, and with neither."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.models import install

import cellcls
from cellcls.errors import MissingPluginError
from cellcls.ops.rendering.cells import render

MODEL = re.compile(r"^cellcls: model some_cells 2\.5 \([0-9a-f]{12}\)$", re.M)


@pytest.fixture
def photo(place: Path) -> Path:
    Image.fromarray(render(3, 5, size=60).image).save(place / "photo.png")
    return Path("photo.png")


@pytest.fixture
def boxed(place: Path, shared_run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed model; its weights file."""
    site = place / "site"
    site.mkdir()
    shutil.copy(shared_run / "best.safetensors", site / "model.safetensors")
    install(site, site / "model.safetensors")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "cellcls_boxed", raising=False)  # that of the test before
    monkeypatch.setenv("CELLCLS_PLUGINS", "boxed")
    return site / "model.safetensors"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLCLS_PLUGINS", "")


def test_an_image_gets_a_class_right_after_installation(cli, boxed: Path, photo: Path, shared_run: Path):
    said = cli("predict", photo, "--json")
    assert said.code == 0
    assert len(MODEL.findall(said.err)) == 1
    named = cli("predict", shared_run, photo, "--json")
    assert said.json() == named.json()
    assert "model" not in named.err
    assert "some_cells 2.5" in cli("predict", photo).out


@pytest.mark.parametrize("command", [["predict"], ["evaluate", "--data"], ["explain", "--data"]])
def test_without_a_model_it_says_what_to_install(cli, bare, photo: Path, command: list[str]):
    said = cli(*command, photo)
    assert said.code == 69
    assert 'pip install "cellcls[model]"' in said.err


def test_what_is_not_there_comes_before_what_is_not_installed(cli, bare):
    said = cli("predict", "runs/typo-1", "photo.png")
    assert said.code == 66
    assert "runs/typo-1" in said.err


def test_a_package_without_its_weights(cli, boxed: Path, photo: Path):
    boxed.unlink()
    said = cli("predict", photo)
    assert said.code == 66
    assert "no weights at" in said.err
    assert "its weights are missing" in cli("list-plugins").out


def test_the_model_is_listed(cli, boxed: Path):
    listed = {plugin["plugin"]: plugin for plugin in cli("list-plugins", "--json").json()}
    assert listed["boxed"]["offers"] == ["model some_cells"]
    assert re.search(r"^  model +some_cells$", cli("list-plugins").out, re.M)


def test_the_name_of_a_model_is_a_run(cli, boxed: Path, photo: Path, challenge: Path):
    assert MODEL.search(cli("predict", "--run", "some_cells", photo).err)
    assert MODEL.search(cli("evaluate", "some_cells", "--data", challenge).err)


def test_the_model_is_evaluated(cli, boxed: Path, challenge: Path, shared_run: Path):
    said = cli("evaluate", "--data", challenge, "--json")
    assert said.code == 0
    assert MODEL.search(said.err)
    answer, named = said.json(), cli("evaluate", shared_run, "--data", challenge, "--json").json()
    assert answer["confusion"] == named["confusion"]
    assert answer["seen_in_training"] is None
    assert "data.json" in cli("evaluate", "--data", challenge, "--unseen").err


def test_the_model_is_explained_on_data_in_the_working_folder(cli, place: Path, boxed: Path, challenge: Path):
    assert cli("explain").code == 2
    said = cli("explain", "--data", challenge, "--images", 2)
    assert said.code == 0, said.err
    assert MODEL.search(said.err)
    assert (place / "explain-1.png").is_file()


def test_several_runs_are_an_ensemble(cli, place: Path, shared_run: Path, photo: Path, challenge: Path):
    shutil.copy(shared_run / "best.safetensors", place / "other.safetensors")
    alone = cli("predict", shared_run, photo, "--json").json()
    outright = ["--run", shared_run, "--run", "other.safetensors", photo]
    for arguments in ([shared_run, "other.safetensors", photo], outright):
        (row,) = cli("predict", *arguments, "--json").json()
        assert row["probabilities"] == pytest.approx(alone[0]["probabilities"], abs=1e-5)
    said = cli("evaluate", shared_run, "other.safetensors", "--data", challenge, "--json")
    assert said.json()["runs"] == [str(shared_run), "other.safetensors"]


def test_run_says_outright_that_a_run_folder_holds_images(cli, shared_run: Path):
    said = cli("predict", "--run", shared_run, shared_run / "figures", "--json")
    assert said.code == 0
    assert len(said.json()) == len([*(shared_run / "figures").glob("*.png")])
    assert cli("predict", shared_run).code == 2
    assert cli("predict", "photo.png", shared_run).code == 2


# --- heat maps --------------------------------------------------------------------------------------------------


def test_each_image_gets_a_picture_of_its_heat(cli, place: Path, boxed: Path, photo: Path, challenge: Path):
    (place / "more").mkdir()
    shutil.copy(photo, place / "more" / "photo.png")
    (place / "more" / "bad.png").write_bytes(b"no picture")
    said = cli("predict", photo, "more", challenge, "--heat", "heat", "--json")
    assert said.code == 65  # bad.png
    files = {row["image"]: row["heat"] for row in said.json()}
    assert (files["photo.png"], files["more/photo.png"]) == ("heat/photo.png", "heat/photo-2.png")
    assert files["more/bad.png"] is None
    assert files[f"{challenge}[7]"] == "heat/cells.npz_7.png"
    assert {f"heat/{path.name}" for path in (place / "heat").iterdir()} == {*files.values()} - {None}
    pixels = np.asarray(Image.open(place / files[f"{challenge}[7]"])).astype(int)
    with np.load(challenge) as cells:
        np.testing.assert_array_equal(pixels[:, :32], cells["images"][7])
    assert np.abs(pixels[:, 32:] - pixels[:, :32]).mean() > 1


def test_an_ensemble_has_the_mean_of_the_maps(cli, place: Path, shared_run: Path, boxed: Path, photo: Path):
    """Twice the same network is that network."""
    for folder, runs in (("one", [shared_run]), ("two", [shared_run, boxed])):
        assert cli("predict", *runs, photo, "--heat", folder).code == 0
    one, two = (np.asarray(Image.open(place / folder / "photo.png")).astype(int) for folder in ("one", "two"))
    assert np.abs(one - two).max() <= 1


def test_heat_maps_overwrite_nothing(cli, place: Path, shared_run: Path, photo: Path):
    (place / "kept").mkdir()
    (place / "kept" / "photo.png").write_bytes(b"mine")
    said = cli("predict", shared_run, photo, "--heat", "kept")
    assert said.code == 2
    assert "nothing is overwritten" in said.err
    assert (place / "kept" / "photo.png").read_bytes() == b"mine"
    assert cli("predict", shared_run, photo, "--heat", photo).code == 2


# --- the library ------------------------------------------------------------------------------------------------


def test_the_library_takes_the_model_and_ensembles(boxed: Path, photo: Path, shared_run: Path, challenge: Path):
    found = cellcls.predict([photo], device="cpu")
    (model,) = found.models
    assert model.startswith("some_cells 2.5 (")
    run = cellcls.open_run(shared_run)
    both = cellcls.predict(photo, run=[run, boxed], device="cpu")
    assert both[0].probabilities == pytest.approx(found[0].probabilities, abs=1e-5)
    assert both.models == run.predict(photo).models == ()
    measured = [cellcls.evaluate(challenge, run=which, device="cpu") for which in (None, run, [run, boxed])]
    assert len({str(one.record.confusion) for one in measured}) == 1


def test_the_library_without_a_model(bare, photo: Path):
    with pytest.raises(MissingPluginError, match="no trained model"):
        cellcls.predict(photo)
