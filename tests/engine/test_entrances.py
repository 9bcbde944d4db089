"""A picture that is not square gives the same probabilities wherever it enters."""

from __future__ import annotations

import importlib.util
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cellcls
from cellcls.engine.network import load_network
from cellcls.registry import load_registry

RECIPE = """
name = "wide"
[dataset]
use = "folder"
file = "wide"
[input]
size = 16
{input}
[backbone]
use = "cnn5"
filters = [4]
[head]
use = "linear"
pool = "flatten"
[[stages]]
epochs = 1
"""
INPUTS = {
    "crop": "",
    "stretch": 'fit = "stretch"',
    "pad": 'fit = "pad"\ninterpolation = "bicubic"',
    "center_crop": 'fit = "stretch"\ncenter_crop = 24',
}


def by_hand(picture: Image.Image, name: str) -> Image.Image:
    """Return a picture of 30 x 48 pixels (w x h) prepared with Pillow alone."""
    if name == "crop":
        return picture.resize((16, 16), Image.Resampling.BILINEAR, box=(0, 9, 30, 39))
    if name == "stretch":
        return picture.resize((16, 16), Image.Resampling.BILINEAR)
    if name == "center_crop":
        return picture.crop((3, 12, 27, 36)).resize((16, 16), Image.Resampling.BILINEAR)
    small = np.asarray(picture.resize((10, 16), Image.Resampling.BICUBIC))
    return Image.fromarray(np.concatenate([small[:, 2::-1], small, small[:, :6:-1]], axis=1))


@pytest.fixture(scope="module", params=INPUTS)
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, cellcls.Run]:
    """Return a run on pictures of 30 x 48 pixels."""
    place = tmp_path_factory.mktemp(request.param)
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 4), ("test", 4)):
        for label in ("a", "b"):
            folder = place / "wide" / part / label
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (48, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    (place / "wide.toml").write_text(RECIPE.format(input=INPUTS[request.param]))
    return request.param, cellcls.run(place / "wide.toml", out=place / "run", quiet=True)


def probabilities(run: cellcls.Run, given: object) -> np.ndarray:
    return np.array([list(row.probabilities.values()) for row in run.predict(given)])  # type: ignore[arg-type]


def test_every_entrance_gives_the_same_answer(wide: tuple[str, cellcls.Run], tmp_path: Path) -> None:
    name, run = wide
    folder = Path(run.folder).parent / "wide/test"
    files = sorted(folder.glob("*/*.png"))
    arrays = np.stack([np.asarray(Image.open(file)) for file in files])
    np.savez(tmp_path / "images.npz", images=arrays)
    labels = np.repeat([0, 1], 4)
    np.savez(tmp_path / "set.npz", images=arrays, labels=labels, class_names=["a", "b"])
    prepared = np.stack([np.asarray(by_hand(Image.open(file), name)) for file in files])

    with np.load(run.folder / "predictions/test.npz") as stored:
        own = stored["probabilities"][np.argsort(stored["index"])]
    entrances = {
        "files": probabilities(run, list(files)),
        "folder": probabilities(run, folder),
        "arrays": probabilities(run, list(arrays)),
        "batch": probabilities(run, arrays),
        "npz": probabilities(run, tmp_path / "images.npz"),
        "data set": probabilities(run, tmp_path / "set.npz"),
        "export": exported(run, arrays, tmp_path),
    }
    if name != "center_crop":  # it would be cut again
        entrances["by hand"] = probabilities(run, prepared)
    assert len(entrances) == (8 if name != "center_crop" else 7)
    for entrance, found in entrances.items():
        np.testing.assert_allclose(found, own, atol=2e-6, err_msg=entrance)
    for given in (folder.parent, tmp_path / "set.npz"):
        evaluated = run.evaluate(given)
        values = {metric: run.metrics["test"].values[metric] for metric in evaluated.record.values}
        assert evaluated.record.values == pytest.approx(values, abs=1e-5)


def test_the_weights_say_what_the_training_images_look_like(wide: tuple[str, cellcls.Run]) -> None:
    name, run = wide
    images = load_network(run.folder, load_registry()).training_images
    assert images is not None
    files = (Path(run.folder).parent / "wide/train").glob("*/*.png")
    colours = np.stack([np.asarray(by_hand(Image.open(file), name)).mean((0, 1)) / 255 for file in files])
    assert (images.n, images.height, images.width) == (16, (48, 48, 48), (30, 30, 30))
    np.testing.assert_allclose(images.mean, colours.mean(0), atol=1e-6)
    np.testing.assert_allclose(images.std, colours.std(0), atol=1e-6)


def exported(run: cellcls.Run, arrays: np.ndarray, place: Path) -> np.ndarray:
    """Return the probabilities of the submission that is exported from a run."""
    run.export("codabench", place / "submission.zip")
    with zipfile.ZipFile(place / "submission.zip") as archive:
        archive.extractall(place / "submission")
    spec = importlib.util.spec_from_file_location("submission_model", place / "submission/model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission_model"] = module
    spec.loader.exec_module(module)
    return np.asarray(module.Model().probabilities(arrays))


def test_fit_of_the_data_set_is_followed_with_a_warning(
    wide: tuple[str, cellcls.Run], caplog: pytest.LogCaptureFixture
) -> None:
    from cellcls.recipe import load

    place = Path(wide[1].folder).parent
    (place / "old.toml").write_text(RECIPE.format(input="").replace('"wide"\n[input]', '"wide"\nfit = "pad"\n[input]'))
    recipe = load(place / "old.toml", load_registry())[0].recipe
    assert recipe.input.fit == "pad"
    assert "`fit` of [dataset] has moved: write it in [input]" in caplog.text
