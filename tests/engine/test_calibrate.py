"""What is fitted after training: it goes with the weights, changes none of them, and is used where they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from support.recipes import RECIPE

from cellcls.engine.inference import evaluate_on, predict_images
from cellcls.engine.job import Job
from cellcls.engine.network import load_network
from cellcls.errors import DataError, RecipeError
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors
from cellcls.registry import Registry
from cellcls.runs.options import Options
from cellcls.runs.records import MetricsRecord, read
from cellcls.testing import run_recipe

CPU = Options(device="cpu")
NOISY = {"name": "noisy", "part": "val", "corrupt": "brightness_down", "severities": [1, 3]}
FITTED = {
    **RECIPE,
    "backbone": {**RECIPE["backbone"], "filters": [8, 16]},
    "stages": [{"epochs": 20, "optimizer": {"use": "adamw", "lr": 0.003}}],
    "evaluate": [{"name": "val"}, NOISY, {"name": "test"}],
    "prediction": {"temperature": "val", "unknown": 0.2, "known": ["val", "noisy"]},
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny recipe with all that can be fitted; tests change nothing in it."""
    return run_recipe(FITTED, tmp_path_factory.mktemp("fitted") / "run")


@pytest.fixture
def strange() -> np.ndarray:
    """Pictures (6, 32, 32, 3) of no cell: stripes and noise."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    stripes = np.zeros((3, 32, 32, 3), np.uint8)
    stripes[:, ::2] = 255
    return np.concatenate([noise, stripes])


def about(file: Path) -> dict[str, Any]:
    return open_tensors(file).about


def without(fitted: Path, tmp_path: Path, **about: Any) -> Path:
    """Return the weights of a run without what was fitted for them."""
    best = open_tensors(fitted / "best.safetensors").read()
    tensors = {name: best[name] for name in load_file(fitted / "last.safetensors")}
    save_tensors(tmp_path / "plain.safetensors", tensors, about)
    return tmp_path / "plain.safetensors"


def test_weights_are_those_of_a_run_that_fits_nothing(fitted: Path, tmp_path: Path) -> None:
    plain = run_recipe({**FITTED, "prediction": {}}, tmp_path / "run")
    expected, found = load_file(plain / "best.safetensors"), load_file(fitted / "best.safetensors")
    assert all((found[name] == array).all() for name, array in expected.items())
    assert all(name.startswith("known_images.") for name in found.keys() - expected.keys())
    said = about(plain / "best.safetensors")
    assert said["temperature"] == 1.0
    assert {**about(fitted / "best.safetensors"), "temperature": 1.0, "recipe_hash": said["recipe_hash"]} == said
    assert read(plain / "metrics.json", MetricsRecord).evaluations["val"].unknown is None


def test_the_temperature_minimises_the_loss_on_its_images(fitted: Path, registry: Registry) -> None:
    temperature = about(fitted / "best.safetensors")["temperature"]
    with np.load(fitted / "predictions" / "val.npz") as rows:
        label, said = rows["label"], rows["probabilities"].astype(float)
    logits = np.log(said) * temperature

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[np.arange(len(label)), label].mean())

    expected = np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-8}).x)
    assert temperature == pytest.approx(expected, rel=1e-3)
    assert temperature != pytest.approx(1, rel=1e-2)


def test_probabilities_are_those_at_the_temperature(fitted: Path, tmp_path: Path, registry: Registry, strange) -> None:
    temperature = about(fitted / "best.safetensors")["temperature"]
    bare = about(fitted / "best.safetensors")
    del bare["temperature"]
    plain = without(fitted, tmp_path, **bare)
    before, after = (predict_images(run, [strange], registry, CPU) for run in (plain, fitted))
    expected = softmax(np.log(before.probabilities.astype(float)) / temperature, axis=1)
    np.testing.assert_allclose(after.probabilities, expected, rtol=1e-4)
    assert [row.predicted for row in before.rows()] == [row.predicted for row in after.rows()]
    assert {row.unknown for row in before.rows()} == {None}


def test_no_more_than_the_share_of_known_images_is_marked(fitted: Path) -> None:
    found = read(fitted / "metrics.json", MetricsRecord).evaluations
    marked = {}
    for name in ("val", "noisy"):
        with np.load(fitted / "predictions" / f"{name}.npz") as rows:
            marked[name] = int((rows["distance"] > 1).sum())
            assert found[name].unknown == marked[name]
    assert marked["val"] <= 0.2 * 2 * 16


def test_what_is_no_cell_is_unknown_and_keeps_its_class(fitted: Path, registry: Registry, strange) -> None:
    rows = predict_images(fitted, [strange], registry, CPU).rows()
    assert all(row.unknown.startswith("unlike the training images (feature distance ") for row in rows)
    assert all(row.unknown.endswith(" times the threshold)") for row in rows)
    assert all(row.predicted in row.probabilities for row in rows)


def test_a_weights_file_alone_is_enough(fitted: Path, tmp_path: Path, registry: Registry, strange) -> None:
    (tmp_path / "alone.safetensors").write_bytes((fitted / "best.safetensors").read_bytes())
    here, there = (
        predict_images(run, [strange], registry, CPU).rows() for run in (fitted, tmp_path / "alone.safetensors")
    )
    assert here == there


def test_evaluate_says_how_many_are_unknown(fitted: Path, tmp_path: Path, registry: Registry, strange) -> None:
    np.savez(tmp_path / "strange.npz", images=strange, labels=np.zeros((6, 1), np.uint8))
    found = evaluate_on(fitted, tmp_path / "strange.npz", registry, CPU)
    assert found.record.unknown == 6
    assert found.to_data()["unknown"] == 6


def test_a_run_killed_while_it_fits_ends_the_same(
    make_job: Callable[..., Job], execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = '[[stages]]\nepochs = 1\n[prediction]\ntemperature = "val"\nunknown = 0.1\n'
    whole = make_job(more, out="whole")
    execute(whole)
    stopped = make_job(more, out="stopped")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("calibrate", "_metrics"):  # before it has fitted, and after
        with monkeypatch.context() as patch:
            patch.setattr(f"cellcls.engine.finish.{name}", killed)
            with pytest.raises(KeyboardInterrupt):
                execute(stopped)
    execute(stopped)
    assert about(stopped.folder.best) == about(whole.folder.best)
    found, expected = load_file(stopped.folder.best), load_file(whole.folder.best)
    assert found.keys() == expected.keys()
    assert all((found[name] == array).all() for name, array in expected.items())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('temperature = "tset"', "no evaluation is called `tset`"),
        ('temperature = "test"', "`temperature` must not use `test`, which is measured on the part `test`"),
        ('unknown = 0.1\nknown = ["val", "train"]', "no evaluation is called `train`"),
        ("unknown = 0.1\nknown = []", "`unknown` needs an evaluation in `known`"),
        ("unknown = 1.0", "less than 1"),
    ],
)
def test_what_cannot_be_fitted_on_is_refused(make_job: Callable[..., Job], settings: str, said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        make_job(f"[prediction]\n{settings}\n")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensors, about: tensors.pop("known_images.basis"),
        lambda tensors, about: tensors.update({"known_images.basis": torch.ones(3, 2)}),
        lambda tensors, about: about.update(temperature=-1.0),
        lambda tensors, about: about.update(temperature="warm"),
    ],
)
def test_a_damaged_file_is_refused(fitted: Path, tmp_path: Path, registry: Registry, damage) -> None:
    file = open_tensors(fitted / "best.safetensors")
    tensors = file.read()
    damage(tensors, file.about)
    save_tensors(tmp_path / "damaged.safetensors", tensors, file.about)
    with pytest.raises(DataError, match="damaged"):
        load_network(tmp_path / "damaged.safetensors", registry)


def test_a_network_without_it_answers_as_before(fitted: Path, registry: Registry) -> None:
    network = load_network(fitted / "last.safetensors", registry).network
    assert network.temperature == 1.0
    assert network.known is None
    images = torch.rand(2, 3, 32, 32)
    logits, _ = network.logits_and_features(images)
    assert torch.equal(network(images), logits)
