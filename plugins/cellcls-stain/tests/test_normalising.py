"""Normalisation: beside Macenko's own steps in NumPy, on planted stains, on images of nothing, and in whole runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.testing import assert_close

from cellcls.ops.imaging.stain import MIN_PIXELS, stain_amounts, stain_vectors
from cellcls.ops.rendering.cells import render
from cellcls.registry import load_registry
from cellcls.testing import TINY, write_recipe
from cellcls_stain import AMOUNTS, GIEMSA, StainNormalised
from cellcls_stain.estimating import estimated, full_amounts, percentile
from cellcls_stain.mixing import combined, inverse, mixing_matrix, optical_density, unit_vectors
from cellcls_stain.normalising import StainNormaliser

OTHER = ((0.62, 0.75, 0.23), (0.20, 0.72, 0.66))
"""How another laboratory may stain."""
TARGET = unit_vectors(GIEMSA)


def cells(count: int = 16, size: int = 64) -> NDArray[np.uint8]:
    return np.stack([render(number % 8, 50 + number, size=size).image for number in range(count)])


def as_batch(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def degrees(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.degrees(np.arccos(np.clip((one * other).sum(-1), -1, 1)))


def planted(count: int, size: int = 64) -> NDArray[np.float64]:
    """How much of two stains each pixel holds (N, 2, size, size): a nucleus mostly of the first, cytoplasm mostly of
    the second, mixtures at the rim, an empty ground."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    made = []
    for _ in range(count):
        place = np.hypot(rows - rng.uniform(-0.1, 0.1), columns - rng.uniform(-0.1, 0.1))
        nucleus = 1 / (1 + np.exp((place - 0.18) * 50))
        cell = 1 / (1 + np.exp((place - 0.36) * 50))
        texture = rng.gamma(40, 1 / 40, (2, size, size))
        made.append(np.stack([1.8 * nucleus, 0.9 * (cell - nucleus).clip(0) + 0.02]) * texture)
    return np.stack(made)


def stained(amounts: NDArray[np.float64], vectors, strength=(1.0, 1.0)) -> NDArray[np.uint8]:
    density = np.einsum("nshw,sc->nhwc", amounts * np.reshape(strength, (2, 1, 1)), unit_vectors(vectors).numpy())
    noise = np.random.default_rng(4).normal(0, 1, density.shape)
    return np.clip(255 * np.exp(-density) + noise, 0, 255).round().astype(np.uint8)


def macenko(image: NDArray[np.uint8], target: NDArray[np.float64], full: NDArray[np.float64]) -> NDArray[np.float64]:
    """The paper's steps of one image (H, W, 3) to (H, W, 3) in 0..1, by a solver of least squares; what two stains
    leave over is kept, as ours does and the paper does not."""
    density = -np.log(np.maximum(image.reshape(-1, 3) / 255, 1 / 256))
    inside = density[(density > 0.345).any(1)]
    plane = np.linalg.svd(inside, full_matrices=False)[2][:2]
    plane *= np.sign(plane.sum(1, keepdims=True))
    angles = np.arctan2(inside @ plane[1], inside @ plane[0])
    ends = [np.array([np.cos(angle), np.sin(angle)]) @ plane for angle in np.percentile(angles, [1, 99])]
    vectors = np.stack([(end := one.clip(0)) / np.linalg.norm(end) for one in ends])
    vectors = vectors[np.argsort(-vectors[:, 0])]
    found = np.linalg.lstsq(vectors.T, density.T, rcond=None)[0]
    amounts = found.copy()
    rest = (density.T - vectors.T @ found).T @ np.cross(*vectors) / np.linalg.norm(np.cross(*vectors))
    for stain in (0, 1):
        most = found[stain][(found[stain] >= found[1 - stain]) & (found[stain] > 0.345)]
        if len(most) >= MIN_PIXELS:
            amounts[stain] *= full[stain] / np.percentile(most, 99)
    away = np.cross(*target) / np.linalg.norm(np.cross(*target))
    return np.exp(-(target.T @ amounts + np.outer(away, rest))).clip(0, 1).T.reshape(image.shape)


def test_the_plane_and_percentiles_are_those_of_the_whole_set():
    images = np.concatenate([cells(), stained(planted(4), OTHER)])
    found = estimated(optical_density(as_batch(images)), TARGET)
    wanted = np.stack([stain_vectors(image[None]) for image in images])
    assert degrees(found.double().numpy(), wanted).max() < 0.1
    stains = combined(optical_density(as_batch(images)), inverse(mixing_matrix(found)))
    wanted_amounts = [stain_amounts(image[None], own) for image, own in zip(images, wanted, strict=True)]
    got = full_amounts(stains, torch.zeros(2)).numpy()
    np.testing.assert_allclose(got, wanted_amounts, rtol=0.01, atol=0.01)


def test_percentiles_are_numpys():
    values = torch.randn(6, 501, generator=torch.Generator().manual_seed(0))
    inside = values.abs() < torch.tensor([[9.0, 1.0, 0.5, 0.1, 0.03, 0.0]]).T
    for share in (0.0, 0.01, 0.5, 0.99, 1.0):
        wanted = [np.quantile(row[own], share) if own.any() else 0 for row, own in zip(values, inside, strict=True)]
        np.testing.assert_allclose(percentile(values, inside, share), wanted, atol=1e-6)


@pytest.mark.parametrize("vectors", [GIEMSA, OTHER])
def test_planted_stains_are_found_within_two_degrees(vectors):
    """Of each single image, as the network sees it."""
    found = estimated(optical_density(as_batch(stained(planted(8), vectors))), torch.eye(3)[:2])
    assert degrees(found.double().numpy(), unit_vectors(vectors).double().numpy()).max() < 2


def test_it_is_macenkos():
    images = np.concatenate([cells(), stained(planted(4), OTHER)])
    got = StainNormaliser(GIEMSA, AMOUNTS)(as_batch(images)).permute(0, 2, 3, 1).numpy()
    wanted = np.stack([macenko(image, TARGET.double().numpy(), np.array(AMOUNTS)) for image in images])
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_two_stainings_of_one_cell_come_close():
    amounts = planted(8)
    one = as_batch(stained(amounts, GIEMSA))
    other = as_batch(stained(amounts, OTHER, strength=(0.7, 1.3)))
    normalise = StainNormaliser(GIEMSA, (1.8, 0.9))
    before = (one - other).abs().mean((1, 2, 3))
    after = (normalise(one) - normalise(other)).abs().mean((1, 2, 3))
    assert (after < before / 3).all()
    assert before.min() > 0.01


def test_an_image_stained_like_the_target_stays():
    images = as_batch(stained(planted(4), GIEMSA))
    own = full_amounts(combined(optical_density(images), inverse(mixing_matrix(TARGET))), torch.ones(2))
    for image, amounts in zip(images[:, None], own.tolist(), strict=True):
        assert_close(StainNormaliser(GIEMSA, amounts, GIEMSA)(image), image.clamp(1 / 256), atol=1e-5, rtol=1e-4)


def test_each_image_is_by_itself():
    """Whatever else is in the batch, how it lies in memory, under autocast: the same bits."""
    normalise, images = StainNormaliser(GIEMSA, AMOUNTS), as_batch(cells(6))
    whole = normalise(images)
    for number in range(6):
        assert torch.equal(normalise(images[number : number + 1])[0], whole[number])
    assert_close(normalise(images.to(memory_format=torch.channels_last)), whole, atol=1e-5, rtol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(normalise(images), whole)


@pytest.mark.parametrize("vectors", [None, OTHER])
@pytest.mark.parametrize(
    "colour", [(0, 0, 0), (1, 1, 1), (0.5, 0.5, 0.5), (0, 1, 0), (0.3, 0.1, 0.9), "noise", "speck"]
)
def test_images_of_nothing_are_survived(colour, vectors):
    image = torch.ones(1, 3, 32, 32)
    if colour == "noise":
        image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    elif colour == "speck":
        image[..., :7, :7] = 0.2
        assert MIN_PIXELS > 7 * 7
    else:
        image = image * torch.tensor(colour).view(1, 3, 1, 1)
    image.requires_grad_()
    made = StainNormaliser(GIEMSA, AMOUNTS, vectors)(image)
    made.sum().backward()
    assert made.isfinite().all()
    assert 0 <= made.min() <= made.max() <= 1
    assert image.grad is not None
    assert image.grad.isfinite().all()
    if colour == (1, 1, 1) or (colour == "speck" and vectors is None):
        assert_close(made, image, atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_the_formula():
    images = as_batch(cells(2, size=32)).double().clamp(0.02, 0.98).requires_grad_()
    assert torch.autograd.gradcheck(StainNormaliser(GIEMSA, AMOUNTS, OTHER).double(), images[:, :, :4, :4])


def test_settings_are_checked():
    inner = StainNormalised.__annotations__  # any value: the kind is the recipe's to check
    with pytest.raises(ValueError, match="`target` must be stains"):
        StainNormalised(inner=inner, target=((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="`vectors` must be stains"):
        StainNormalised(inner=inner, vectors=((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)))


def test_it_says_what_the_inner_backbone_says():
    timm, cnn5 = (cast("Any", load_registry().find("backbone", name)) for name in ("timm", "cnn5"))
    for inner in (timm(model="resnet18", pretrained=True), cnn5()):
        made, start = StainNormalised(inner=inner), inner.starting(pretrained=False)
        assert made.network_name() == inner.network_name()
        assert made.starting(pretrained=False) == (StainNormalised(inner=start) if start else None)


RECIPE = {
    **TINY,
    "requires": ["cellcls-stain"],
    "split": {"val": 0.2, "test": 0.2},
    "dataset": {"use": "synthetic", "images_per_class": 6},
    "backbone": {"use": "stain_normalised", "inner": {"use": "timm", "model": "test_efficientnet"}},
    "explain": [{"use": "grad_cam", "images": 2}],
    "stages": [{"epochs": 1}, {"epochs": 1, "freeze": {"until": "inner.blocks.1"}}],
}


def cellcls(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cellcls", *args]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=200)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and a picture."""
    from PIL import Image

    place = tmp_path_factory.mktemp("normalised")
    write_recipe(place / "tiny.toml", RECIPE)
    done = cellcls(place, "run", "tiny.toml", "--out", "run")
    assert done.returncode == 0, done.stderr
    Image.fromarray(cells(1)[0]).save(place / "cell.png")
    return place


def test_a_run_keeps_the_weights_of_the_inner_backbone_alone(place: Path):
    from safetensors import safe_open

    with safe_open(place / "run/best.safetensors", framework="pt") as file:
        names = {".".join(name.split(".")[:2]) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert "backbone.inner" in names
    assert not [name for name in names if "normaliser" in name]
    assert (place / "run/explain/grad_cam.npz").is_file()


def test_a_run_predicts_and_is_not_the_inner_backbone(place: Path):
    done = cellcls(place, "predict", "run", "cell.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


@pytest.mark.parametrize("form", ["onnx", "codabench"])
def test_exports_answer_as_the_run(place: Path, form: str):
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    done = cellcls(place, "export", "run", "--format", form, "--out", f"out.{form}", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["same_labels"] == told["images"]
