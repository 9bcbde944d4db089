"""Ensembles: the mean of the members' probabilities, each on images as its own input makes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from support.recipes import RECIPE

from cellcls.engine.inference import evaluate_on, predict_images
from cellcls.engine.network import load_network
from cellcls.errors import DataError
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors
from cellcls.ops.storage.weight_files import save_half
from cellcls.registry import Registry
from cellcls.runs.options import Options
from cellcls.testing import run_recipe

CPU = Options(device="cpu")
LABELS = np.arange(80) % 8
CELLS = np.stack([render(int(label), 3_000 + number, size=32).image for number, label in enumerate(LABELS)])


@pytest.fixture(scope="module")
def larger_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network takes images of 40 pixels."""
    recipe = {**RECIPE, "seed": 8, "input": {"size": 40}, "stages": [{"epochs": 1}]}
    return run_recipe(recipe, tmp_path_factory.mktemp("larger") / "run")


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    np.savez(tmp_path / "cells.npz", images=CELLS, labels=LABELS)
    return tmp_path / "cells.npz"


def mean_of(found: list[np.ndarray]) -> np.ndarray:
    return np.sum(found, axis=0) / len(found)


def reordered(run: Path, target: Path, order: list[int], **rename: str) -> Path:
    """Write the weights of a run whose labels come in another order."""
    file = open_tensors(run / "best.safetensors")
    tensors, network = file.read(), file.about["network"]
    network["classes"] = [rename.get(network["classes"][at], network["classes"][at]) for at in order]
    heads = {name: tensor[order] for name, tensor in tensors.items() if len(tensor.shape) and tensor.shape[0] == 8}
    heads = {name: tensor for name, tensor in heads.items() if name.startswith("head.")}
    assert heads
    save_tensors(target, {**tensors, **heads}, file.about)
    return target


def test_an_ensemble_is_the_mean_at_each_members_own_size(
    tmp_path: Path, cells: Path, tiny_run: Path, larger_run: Path, registry: Registry
) -> None:
    for number in range(70):  # more than a batch
        Image.fromarray(CELLS[number]).resize((50 + number % 3, 60)).save(tmp_path / f"{number:02}.png")
    (tmp_path / "50.png").write_bytes(b"no picture")
    images = [CELLS[3], *sorted(tmp_path.glob("*.png")), cells]
    alone = [predict_images(run, images, registry, CPU) for run in (tiny_run, larger_run)]
    both = predict_images([tiny_run, larger_run], images, registry, CPU)
    assert both.names == alone[0].names
    assert [*both.unreadable] == [51]
    expected = mean_of([answers.probabilities for answers in alone])
    readable = np.arange(len(both.names)) != 51
    np.testing.assert_allclose(both.probabilities[readable], expected[readable], atol=1e-5)
    assert not np.allclose(alone[0].probabilities, alone[1].probabilities, atol=1e-3)


def test_classes_are_matched_by_name(tmp_path: Path, tiny_run: Path, cells: Path, registry: Registry) -> None:
    order = [3, 1, 0, 2, 7, 6, 5, 4]
    other = reordered(tiny_run, tmp_path / "other.safetensors", order)
    alone = predict_images(tiny_run, [cells], registry, CPU)
    assert predict_images(other, [cells], registry, CPU).classes == tuple(alone.classes[at] for at in order)
    both = predict_images([tiny_run, other], [cells], registry, CPU)
    assert both.classes == alone.classes
    np.testing.assert_allclose(both.probabilities, alone.probabilities, atol=1e-5)


def test_other_classes_are_refused(tmp_path: Path, tiny_run: Path, cells: Path, registry: Registry) -> None:
    other = reordered(tiny_run, tmp_path / "other.safetensors", [*range(8)], basophil="blast")
    for use in (predict_images, evaluate_on):
        with pytest.raises(DataError, match="only one of them has: basophil, blast"):
            use([tiny_run, other], [cells] if use is predict_images else cells, registry, CPU)


def test_an_ensemble_is_evaluated_by_its_mean(
    cells: Path, tiny_run: Path, larger_run: Path, registry: Registry
) -> None:
    runs = (tiny_run, larger_run)
    expected = mean_of([predict_images(run, [cells], registry, CPU).probabilities for run in runs])
    found = evaluate_on(runs, cells, registry, CPU)
    assert found.record.values["accuracy"] == pytest.approx((expected.argmax(1) == LABELS).mean())
    assert found.runs == runs
    assert found.seen_in_training == 0


def test_views_and_corruptions_of_an_ensemble(cells: Path, tiny_run: Path, registry: Registry) -> None:
    """Twice the same network is that network."""
    for how in ({"views": ("flips",)}, {"corrupt": "defocus"}):
        alone = evaluate_on(tiny_run, cells, registry, CPU, **how).record
        both = evaluate_on([tiny_run, tiny_run], cells, registry, CPU, **how).record
        assert both.confusion == alone.confusion
        assert both.views == alone.views
        assert both.balanced_error == alone.balanced_error


def test_what_any_member_was_trained_on_was_seen(
    tmp_path: Path, tiny_run: Path, cells: Path, registry: Registry
) -> None:
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((tiny_run / "best.safetensors").read_bytes())
    assert evaluate_on([tiny_run, alone], cells, registry, CPU).seen_in_training is None


# --- half precision ---------------------------------------------------------------------------------------------


def test_weights_in_half_precision_are_loaded_as_float32(
    tmp_path: Path, tiny_run: Path, cells: Path, registry: Registry
) -> None:
    file = tmp_path / "half.safetensors"
    save_half(tiny_run / "best.safetensors", file)
    before, after = load_file(tiny_run / "best.safetensors"), load_file(file)
    for name, tensor in before.items():
        expected = tensor.numpy().astype(np.float16) if tensor.ndim > 1 else tensor.numpy()
        np.testing.assert_array_equal(after[name].numpy(), expected)
    assert open_tensors(file).about == open_tensors(tiny_run / "best.safetensors").about
    network = load_network(file, registry).network
    assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
    found, exact = (predict_images(path, [cells], registry, CPU).probabilities for path in (file, tiny_run))
    np.testing.assert_allclose(found, exact, atol=5e-3)


def test_a_weight_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "large.safetensors", {"head.weight": torch.full((2, 2), 1e6)}, {})
    with pytest.raises(DataError, match=r"`head.weight` has values that float16 does not hold"):
        save_half(tmp_path / "large.safetensors", tmp_path / "half.safetensors")
    assert not (tmp_path / "half.safetensors").exists()
