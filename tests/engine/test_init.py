"""A run that starts from the weights of another (``[init] from``)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs
import numpy as np
import pytest
from safetensors.torch import load_file

from cellcls.engine import train
from cellcls.errors import DataError, MissingInputError, RecipeError, StoppedError
from cellcls.recipe import load
from cellcls.runs.init import find_init

ONE_EPOCH = """
[[stages]]
epochs = 1
"""


def frozen(start: Path | str, *, more: str = "") -> str:
    """Return a recipe that trains a head on the frozen backbone of another run."""
    return f'[init]\nfrom = "{start}"\n{more}[[stages]]\nepochs = 1\nfreeze = "backbone"\n'


@pytest.fixture
def earlier(make_job, execute) -> Path:
    job = make_job(ONE_EPOCH, out="earlier")
    execute(job)
    return job.folder.path


def start(make_job, execute, text: str, **job) -> Path:
    made = make_job(text, out="later", **job)
    execute(made)
    return made.folder.path


def test_backbone_and_head_come_from_the_run(make_job, execute, earlier: Path):
    later = start(make_job, execute, frozen(earlier), overrides=("stages.0.optimizer.lr=1e-30",))
    before, after = load_file(earlier / "best.safetensors"), load_file(later / "best.safetensors")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert np.allclose(tensor, after[name]), name
    record = json.loads((later / "data.json").read_text())["init"]
    assert record["head"] is True
    assert Path(record["weights"]) == earlier / "best.safetensors"


def test_without_it_the_backbone_is_another(make_job, execute, earlier: Path):
    later = start(make_job, execute, ONE_EPOCH, overrides=("stages.0.optimizer.lr=1e-30", "seed=8"))
    before, after = load_file(earlier / "best.safetensors"), load_file(later / "best.safetensors")
    assert not all(np.allclose(before[name], after[name]) for name in before)


def test_a_head_of_another_shape_starts_anew(make_job, execute, earlier: Path, caplog: pytest.LogCaptureFixture):
    later = start(make_job, execute, '[head]\nuse = "mlp"\nhidden = [4]\n' + frozen(earlier))
    assert json.loads((later / "data.json").read_text())["init"]["head"] is False
    assert "head starts anew" in caplog.text
    before, after = load_file(earlier / "best.safetensors"), load_file(later / "best.safetensors")
    for name in (name for name in before if name.startswith("backbone.")):
        assert np.allclose(before[name], after[name]), name


def test_what_the_first_run_was_trained_on_counts_as_trained_on(make_job, execute, earlier: Path):
    later = start(make_job, execute, frozen(earlier), overrides=("dataset.images_per_class=12", "dataset.seed=3"))
    seen = json.loads((earlier / "data.json").read_text())["trained_on"]
    assert set(seen) < set(json.loads((later / "data.json").read_text())["trained_on"])


def test_a_test_on_images_the_first_run_saw_is_refused(make_job, execute, earlier: Path):
    with pytest.raises(DataError, match=r"was trained on \d+ of the 16 images of `(val|test)`"):
        start(make_job, execute, frozen(earlier), overrides=("split.seed=1",))


def test_weights_of_another_backbone_are_refused(make_job, execute, earlier: Path):
    with pytest.raises(DataError, match="weights of the backbone `cnn5`"):
        start(make_job, execute, frozen(earlier), overrides=("backbone.use=timm", "backbone.model=resnet18"))


def test_weights_of_other_settings_are_refused(make_job, execute, earlier: Path):
    with pytest.raises(DataError, match="another network"):
        start(make_job, execute, frozen(earlier), overrides=("backbone.filters=[6, 10]",))


def test_weights_of_a_rehearsal_are_refused(make_job, execute):
    rehearsal = make_job(ONE_EPOCH, out="earlier", rehearse=True)
    execute(rehearsal)
    with pytest.raises(DataError, match="rehearsal"):
        start(make_job, execute, frozen(rehearsal.folder.path))


def test_a_rehearsal_needs_no_run(make_job, execute):
    assert start(make_job, execute, frozen("nowhere"), rehearse=True).is_dir()


@pytest.fixture
def found(make_job, registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that says which run a name stands for, in a working folder of its own."""
    monkeypatch.chdir(tmp_path)

    def find(name: str, **planned: Path) -> Path:
        recipe = tmp_path / "recipes" / "later.toml"
        recipe.parent.mkdir(exist_ok=True)
        recipe.write_text(frozen(name))
        inputs = make_job("").inputs
        loaded = load(recipe, registry)[0].recipe
        return Path(find_init(attrs.evolve(inputs, recipe=loaded), recipe, planned).recipe.init.from_)

    return find


def has_weights(run: Path, *, age: int = 0) -> Path:
    """Make what looks like a run; ``age`` in seconds."""
    run.mkdir(parents=True)
    weights = run / "best.safetensors"
    weights.write_bytes(b"")
    os.utime(weights, (1e9 - age, 1e9 - age))
    return run


def test_a_name_is_the_newest_run_of_its_recipe(found, tmp_path: Path):
    has_weights(tmp_path / "runs/lite-1", age=1)
    has_weights(tmp_path / "runs/lite-big-1")
    newest = has_weights(tmp_path / "runs/all-1/lite")
    (tmp_path / "runs/lite-2").mkdir()  # stopped before its first epoch ended
    assert found("lite") == newest
    assert found("lite", lite=tmp_path / "planned") == tmp_path / "planned"


def test_a_path_is_looked_for_here_and_beside_the_recipe(found, tmp_path: Path):
    beside = has_weights(tmp_path / "recipes/mine")
    assert found("mine") == beside
    here = has_weights(tmp_path / "mine")
    assert found("mine") == found(str(here)) == here


def test_a_path_with_control_characters_is_told_how_to_write_it(found):
    with pytest.raises(RecipeError, match=r"double quotes read \\f in it") as error:
        found(r"runs\first")
    assert r"'runs\first'" in error.value.hints[0]


def test_no_run_is_told_with_the_places_looked_at(found):
    with pytest.raises(MissingInputError, match="no such run") as error:
        found("lite")
    assert any("runs/lite-N" in hint for hint in error.value.hints)


def stopped(make_job, execute, earlier: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a run that started from ``earlier``, stopped after its state was saved, as it will be gone on with."""
    made = make_job(frozen(earlier), out="later")
    with monkeypatch.context() as patch:
        patch.setattr(train, "finish", lambda *_: (_ for _ in ()).throw(StoppedError("stopped")))
        with pytest.raises(StoppedError):
            execute(made)
    assert made.folder.saved.exists()
    return made


def test_a_run_that_has_a_state_needs_its_source_no_more(make_job, execute, earlier: Path, monkeypatch):
    made = stopped(make_job, execute, earlier, monkeypatch)
    before = json.loads(made.folder.data.read_text())
    shutil.rmtree(earlier)
    execute(made)
    assert made.folder.complete
    assert json.loads(made.folder.data.read_text()) == before


def test_a_source_that_was_trained_again_changes_no_record(make_job, execute, earlier: Path, monkeypatch):
    made = stopped(make_job, execute, earlier, monkeypatch)
    before = json.loads(made.folder.data.read_text())
    shutil.rmtree(earlier)
    execute(make_job(ONE_EPOCH, out="earlier", overrides=("seed=8",)))
    execute(made)
    assert json.loads(made.folder.data.read_text()) == before


@pytest.mark.parametrize("loss", ["file", "key"])
def test_what_nobody_knows_is_told_down_the_chain(
    make_job, execute, earlier: Path, caplog: pytest.LogCaptureFixture, loss: str
):
    if loss == "file":
        (earlier / "data.json").unlink()
    else:
        (earlier / "data.json").write_text("{}")
    later = start(make_job, execute, frozen(earlier))
    assert json.loads((later / "data.json").read_text())["init"]["known"] is False
    caplog.clear()
    third = make_job(frozen(later), out="third")
    execute(third)
    assert "nobody knows all it was trained on" in caplog.text
    assert json.loads(third.folder.data.read_text())["init"]["known"] is False


def test_what_is_known_needs_no_warning(make_job, execute, earlier: Path, caplog: pytest.LogCaptureFixture):
    later = start(make_job, execute, frozen(earlier))
    assert json.loads((later / "data.json").read_text())["init"]["known"] is True
    assert "nobody knows" not in caplog.text
