"""``predict``, ``evaluate`` and ``explain`` with an installed model, with several runs, and with neither."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

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
