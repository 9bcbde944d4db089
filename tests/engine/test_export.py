"""What leaves cellcls answers as the run does, on its own; what does not is refused and leaves nothing."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from support.recipes import RECIPE, tiny
from torch import nn

from cellcls.cli import main
from cellcls.engine.export import Export, Limits, codabench, export_run, onnx
from cellcls.engine.export.card import model_card
from cellcls.engine.export.program import printed, traced
from cellcls.engine.export.subject import Subject
from cellcls.engine.inference import predict_images
from cellcls.engine.job import Job
from cellcls.engine.network import load_network
from cellcls.engine.train import run
from cellcls.errors import DataError, MissingInputError, MissingPluginError, UsageError
from cellcls.ops.rendering.cells import render
from cellcls.recipe import load
from cellcls.registry import Registry
from cellcls.runs.folder import make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options

BACKBONES = {
    "cnn5": (RECIPE["backbone"], 32),
    "test_resnet": ({"use": "timm", "model": "test_resnet"}, 64),
    "test_efficientnet": ({"use": "timm", "model": "test_efficientnet"}, 64),
    "test_vit": ({"use": "timm", "model": "test_vit"}, 64),
    "test_convnext": ({"use": "timm", "model": "test_convnext"}, 64),
    "mobilenet": ({"use": "timm", "model": "tf_mobilenetv3_small_minimal_100"}, 64),
}

Runs = Callable[..., Path]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Runs:
    """Return a function that makes a rehearsed run once and returns its folder."""
    made: dict[tuple[str, str], Path] = {}

    def make(backbone: str, head: str = "") -> Path:
        if (backbone, head) not in made:
            settings, size = BACKBONES[backbone]
            recipe = tmp_path_factory.mktemp("recipe") / "tiny.toml"
            more = f"[head]\n{head}\n[[stages]]\nepochs = 1\n"
            recipe.write_text(tiny(more, input={"size": size}, backbone=settings))
            made[backbone, head] = _trained(recipe, registry, Options(device="cpu", rehearse=True))
        return made[backbone, head]

    return make


def _trained(recipe: Path, registry: Registry, options: Options) -> Path:
    inputs = find_inputs(load(recipe, registry, rehearse=options.rehearse)[0].recipe, recipe, registry, options)
    folder = make_folder(recipe.parent / "run")
    list(run(Job(inputs=inputs, folder=folder, options=options, registry=registry)))
    return folder.path


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 80 rendered cells, 40 x 40 pixels."""
    labels = np.arange(80) % 8
    images = np.stack([render(int(label), 5_000 + n, size=40).image for n, label in enumerate(labels)])
    path = tmp_path_factory.mktemp("cells") / "cells.npz"
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, registry: Registry, cells: Path) -> Path:
    """A run, no rehearsal, whose images are larger than its input."""
    recipe = tmp_path_factory.mktemp("trained") / "tiny.toml"
    head = '[head]\nuse = "inception"\n[[stages]]\nepochs = 1\n'
    recipe.write_text(tiny(head, dataset={"use": "npz", "file": str(cells)}))
    return _trained(recipe, registry, Options(device="cpu"))


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory, trained: Path, registry: Registry) -> tuple[Path, Export]:
    """A submission and what its export told."""
    path = tmp_path_factory.mktemp("submission") / "out.zip"
    return path, export_run(trained, "codabench", path, registry)


def said_by_run(run: Path, cells: Path, registry: Registry) -> np.ndarray:
    return predict_images(run, [cells], registry, Options(device="cpu")).probabilities


def submitted(path: Path, folder: Path) -> Any:
    """Unzip a submission and return its model, made in this process."""
    with zipfile.ZipFile(path) as file:
        file.extractall(folder)
    spec = importlib.util.spec_from_file_location(f"model_{folder.name}", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model()


def empty(folder: Path) -> bool:
    return not any(folder.iterdir())


# --- codabench --------------------------------------------------------------------------------------------------


def test_a_submission_predicts_what_the_run_does(
    submission, trained: Path, cells: Path, registry: Registry, tmp_path: Path
):
    path, told = submission
    assert told.agreement.images == told.agreement.same_labels == 80
    assert "data set" in told.agreement.images_of
    assert told.agreement.seconds > 0
    assert told.agreement.load_seconds > 0
    assert told.bytes == path.stat().st_size
    model = submitted(path, tmp_path / "a")
    images, own = np.load(cells)["images"], said_by_run(trained, cells, registry)
    np.testing.assert_allclose(model.probabilities(images), own, atol=1e-6)
    labels = model.predict(images)
    assert labels.dtype == np.int64
    assert labels.tolist() == own.argmax(1).tolist()
    assert [model.predict(images[:count]).shape for count in (0, 1, 65)] == [(0,), (1,), (65,)]
    with pytest.raises(ValueError, match="uint8"):
        model.predict(images.astype(np.float32))


def test_a_submission_is_flat_and_imports_what_it_may(submission):
    with zipfile.ZipFile(submission[0]) as file:
        assert file.namelist() == ["model.py", "weights.npz"]
        source = ast.parse(file.read("model.py"))
    imports = {alias.name for node in ast.walk(source) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {node.module for node in ast.walk(source) if isinstance(node, ast.ImportFrom)}
    there = {"torch", "torchvision", "timm", "numpy", "PIL"}  # Pillow comes with torchvision
    assert {name.partition(".")[0] for name in imports} <= {*there, "__future__", "math", "pathlib"}


def test_a_transformer_becomes_a_submission(runs: Runs, registry: Registry, tmp_path: Path):
    told = export_run(runs("test_vit"), "codabench", tmp_path / "out.zip", registry)
    assert told.agreement.same_labels == told.agreement.images == 100
    assert told.rehearsal
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        assert "WARNING. These weights come from a rehearsal" in file.read("model.py").decode()


def test_without_its_data_a_run_is_compared_on_rendered_cells(trained: Path, cells: Path, registry: Registry, tmp_path):
    hidden = cells.rename(cells.with_suffix(".away"))
    try:
        told = export_run(trained, "codabench", tmp_path / "out.zip", registry)
    finally:
        hidden.rename(cells)
    assert told.agreement.same_labels == told.agreement.images == 100  # of 96 pixels, so they are resized
    assert told.agreement.images_of.startswith("rendered cells")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("import numpy", "import cellcls\nimport numpy", "imports cellcls"),
        (
            "import numpy",
            "import socket\nsocket.create_connection(('localhost', 9))\nimport numpy",
            "network connection",
        ),
        (".argmax(1)", ".argmin(1)", "labels are the same"),
        (".argmax(1)", ".argmax(1) * 1.0", "answers otherwise"),
    ],
)
def test_a_wrong_submission_is_not_written(
    runs: Runs, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, reason: str
):
    source = codabench._source
    monkeypatch.setattr(codabench, "_source", lambda *given: source(*given).replace(old, new))
    with pytest.raises(DataError, match=reason):
        export_run(runs("cnn5"), "codabench", tmp_path / "out.zip", registry)
    assert empty(tmp_path)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(megabytes=1e-3), "more than the 0.001 MB allowed"), (Limits(seconds=0.01), "took longer than 0.01 s")],
)
def test_a_submission_beyond_a_limit_is_not_written(
    runs: Runs, registry: Registry, tmp_path: Path, limits: Limits, reason: str
):
    with pytest.raises(DataError, match=reason):
        export_run(runs("cnn5"), "codabench", tmp_path / "out.zip", registry, limits)
    assert empty(tmp_path)


def test_only_a_submission_has_limits(runs: Runs, registry: Registry, tmp_path: Path):
    with pytest.raises(UsageError, match="onnx has no limits"):
        export_run(runs("cnn5"), "onnx", tmp_path / "out.onnx", registry, Limits(megabytes=1))


class Positions(nn.Module):
    """Makes a tensor of its own, which lies where the network does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2)) * torch.arange(images.shape[-1], device=images.device)


class Branches(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images if images.sum() > 0 else -images


class Foreign(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        boxes = torch.zeros(1, 5, device=images.device)
        return torchvision.ops.roi_align(images, boxes, 1)


def test_a_network_is_printed_as_code():
    example = torch.rand(3, 3, 8, 8)
    code = printed(traced(Positions(), example[:2]))
    lines = ["def network(images):", *(f"    {line}" for line in code.body)]
    names: dict[str, Any] = {"torch": torch, "device": lambda **_: torch.device("meta")}
    exec("\n".join(lines), names)
    (found,) = names["network"](example.to("meta"))
    assert found.device.type == "meta"
    names["device"] = torch.device
    torch.testing.assert_close(names["network"](example)[0], Positions()(example))


@pytest.mark.parametrize(("network", "reason"), [(Branches(), "cannot trace"), (Foreign(), "torchvision.roi_align")])
def test_what_cannot_be_code_is_refused(network: nn.Module, reason: str):
    with pytest.raises(UsageError, match=reason):
        printed(traced(network, torch.zeros(2, 3, 8, 8)))


# --- onnx -------------------------------------------------------------------------------------------------------


def test_an_onnx_file_answers_as_the_run_does(runs: Runs, registry: Registry, tmp_path: Path):
    import onnxruntime

    folder = runs("test_vit")
    told = export_run(folder, "onnx", tmp_path / "out.onnx", registry)
    assert told.agreement.same_labels == told.agreement.images == 64
    assert told.agreement.max_difference <= 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx")
    assert session.get_inputs()[0].shape == ["batch", 64, 64, 3]
    images = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    network = load_network(folder, registry).network
    with torch.inference_mode():
        own = network(torch.from_numpy(images).permute(0, 3, 1, 2) / 255).softmax(1).numpy()
    for count in (1, 5):
        (found,) = session.run(["probabilities"], {"images": images[:count]})
        np.testing.assert_allclose(found, own[:count], atol=1e-4)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"])[7] == "platelet"
    assert "rehearsal" in said["warning"]


def test_images_of_another_size_are_fitted_first(trained: Path, registry: Registry, tmp_path: Path):
    told = export_run(trained, "onnx", tmp_path / "out.onnx", registry)
    assert told.agreement.same_labels == told.agreement.images == 64
    assert not told.rehearsal


def test_a_wrong_onnx_file_is_not_written(runs: Runs, registry: Registry, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(onnx, "from_uint8", lambda images: images.permute(0, 3, 1, 2) / 200)
    with pytest.raises(DataError, match="answers otherwise"):
        export_run(runs("cnn5"), "onnx", tmp_path / "out.onnx", registry)
    assert empty(tmp_path)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime", "onnxscript"])
def test_without_the_extra_it_is_named(runs: Runs, registry: Registry, tmp_path: Path, monkeypatch, missing: str):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingPluginError, match=re.escape("pip install 'cellcls[export]'")) as raised:
        export_run(runs("cnn5"), "onnx", tmp_path / "out.onnx", registry)
    assert raised.value.exit_code == 69
    assert empty(tmp_path)


# --- hub --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet", "test_vit"])
def test_timm_opens_the_folder_to_the_same_network(runs: Runs, registry: Registry, tmp_path: Path, backbone: str):
    told = export_run(runs(backbone), "hub", tmp_path / "out", registry)
    assert told.agreement.architecture == backbone
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    model = timm.create_model(f"local-dir:{tmp_path / 'out'}", pretrained=True).eval()
    network = load_network(runs(backbone), registry).network
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        own = network(images)
        found = model((images - network.mean) / network.std)
    assert own.std() > 1e-3  # logits that say something
    torch.testing.assert_close(found, own, atol=1e-5, rtol=1e-5)
    config = model.pretrained_cfg
    assert config["label_names"][3] == "immature_granulocyte"
    assert config["num_classes"] == 8
    assert tuple(config["input_size"]) == (3, 64, 64)
    assert config["mean"] == pytest.approx(network.mean.flatten().tolist())


@pytest.mark.parametrize(("pretrained", "told"), [("true", True), ("false", False)])
def test_the_card_tells_of_pretrained_weights(
    trained: Path, registry: Registry, tmp_path: Path, pretrained: str, told: bool
):
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    recipe = (run / "recipe.toml").read_text()
    timm = f'[backbone]\nuse = "timm"\nmodel = "resnet18"\npretrained = {pretrained}\n'
    changed = re.sub(r"\[backbone\]\n[^\[]*\[6, 8\]\n", timm, recipe)
    assert changed != recipe
    (run / "recipe.toml").write_text(changed)
    subject = Subject(run=run, trained=load_network(trained, registry), registry=registry)
    assert ("trained on other pictures" in model_card(subject, architecture="x")) == told


def test_the_card_tells_what_was_measured_and_its_code_runs(runs: Runs, registry: Registry, tmp_path: Path):
    folder = runs("test_resnet")
    export_run(folder, "hub", tmp_path / "out", registry)
    card = (tmp_path / "out" / "README.md").read_text()
    metrics, data = (json.loads((folder / name).read_text()) for name in ("metrics.json", "data.json"))
    test = metrics["evaluations"]["test"]
    assert data["hash"] in card
    assert f"| {test['accuracy']:.1%} | {test['accuracy_ci'][0]:.1%} to {test['accuracy_ci'][1]:.1%} |" in card
    for name, found in test["per_class"].items():
        low, high = found["recall_ci"]
        assert f"| {name} | {found['recall']:.1%} | {low:.1%} to {high:.1%} |" in card.replace("\\", "")
    assert "not a medical device" in card
    assert "was not measured in this run" in card
    assert "**Warning.** These weights come from a rehearsal" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names: dict[str, Any] = {"image": Image.fromarray(render(2, 1, size=64).image)}
    exec(code.replace("PATH", str(tmp_path / "out")), names)
    assert names["probabilities"].shape == (1, 8)
    assert names["names"][2] == "erythroblast"


@pytest.mark.parametrize(
    ("backbone", "head", "reason"),
    [
        ("cnn5", "", "no network of timm"),
        ("test_resnet", 'use = "mlp"\nhidden = [8]', "`mlp` is not linear"),
        ("test_resnet", 'pool = "flatten"', "between its map and its classifier"),
        ("test_convnext", "", "between its map and its classifier"),  # a norm
        ("mobilenet", "", "between its map and its classifier"),  # a convolution
    ],
)
def test_other_networks_are_refused(runs: Runs, registry: Registry, tmp_path: Path, backbone, head, reason):
    with pytest.raises(UsageError, match=reason) as raised:
        export_run(runs(backbone, head), "hub", tmp_path / "out", registry)
    assert "--format onnx" in str(raised.value)
    assert empty(tmp_path)


# --- all formats ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["codabench", "onnx", "hub"])
def test_nothing_is_overwritten(runs: Runs, registry: Registry, tmp_path: Path, to):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="not overwritten"):
        export_run(runs("test_resnet"), to, tmp_path / "out", registry)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_missing_run_is_told(registry: Registry, tmp_path: Path):
    with pytest.raises(MissingInputError, match="no run folder"):
        export_run(tmp_path / "absent", "onnx", tmp_path / "out", registry)


def test_the_command_warns_of_a_rehearsal(runs: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    folder = runs("test_resnet")
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["export", str(folder), "--format", "hub", "--out", str(tmp_path / "out"), "--json"])
    said = capfd.readouterr()
    assert ended.value.code == 0
    assert "WARNING: these weights are from a rehearsal" in said.err
    told = json.loads(said.out)
    assert told["rehearsal"]
    assert told["bytes"] == sum(file.stat().st_size for file in (tmp_path / "out").iterdir())


def test_the_command_prints_what_was_measured(
    submission, trained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["export", str(trained), "--format", "codabench", "--out", str(tmp_path / "out.zip")])
    said = capfd.readouterr()
    assert ended.value.code == 0
    assert (tmp_path / "out.zip").read_bytes() == submission[0].read_bytes()  # equal weights, equal files
    assert "80 of 80" in said.out
    assert "MB" in said.out
    assert "rehearsal" not in said.err
