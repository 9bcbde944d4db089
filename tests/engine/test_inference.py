"""A run's best weights on other images: files, arrays and labelled sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from cellcls.engine.inference import ImagePredictions, distinct_names, evaluate_on, explain_on, predict_images
from cellcls.engine.network import load_network
from cellcls.errors import DataError, MissingInputError, UsageError
from cellcls.ops.rendering.cells import render
from cellcls.registry import Registry
from cellcls.runs.options import Options

CPU = Options(device="cpu")
LABELS = np.arange(24) % 8
CELLS = np.stack([render(int(label), 3_000 + number, size=32).image for number, label in enumerate(LABELS)])


@pytest.fixture
def said(tiny_run: Path, registry: Registry) -> Callable[[np.ndarray], np.ndarray]:
    """Return what the run's network says of images (N, 32, 32, 3): probabilities by hand."""
    network = load_network(tiny_run, registry).network

    def probabilities(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            logits = network(torch.tensor(images.transpose(0, 3, 1, 2) / 255, dtype=torch.float32)).numpy()
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    return probabilities


@pytest.fixture
def predicted(tiny_run: Path, registry: Registry) -> Callable[..., ImagePredictions]:
    return lambda *images: predict_images(tiny_run, list(images), registry, CPU)


# --- predicting -------------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_what_was_given(tmp_path: Path, predicted, said) -> None:
    for number in range(3):
        path = tmp_path / "deep" / f"{2 - number}" / "cell.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(CELLS[number]).save(path)
    np.savez(tmp_path / "many.npz", images=CELLS[10:14])
    Image.fromarray(CELLS[20]).save(tmp_path / "last.png")
    found = predicted(CELLS[5], tmp_path / "deep", tmp_path / "many.npz", CELLS[:2], tmp_path / "last.png")
    assert [name.removeprefix(f"{tmp_path}/") for name in found.names] == [
        "array 0",
        *("deep/0/cell.png", "deep/1/cell.png", "deep/2/cell.png"),
        *(f"many.npz[{number}]" for number in range(4)),
        *("array 3[0]", "array 3[1]"),
        "last.png",
    ]
    np.testing.assert_allclose(found.probabilities, said(CELLS[[5, 2, 1, 0, 10, 11, 12, 13, 0, 1, 20]]), atol=1e-5)


def test_gray_images_are_their_gray_in_every_channel(predicted, said) -> None:
    gray = CELLS[:2, :, :, 1]
    wanted = said(np.repeat(gray[..., None], 3, axis=-1))
    np.testing.assert_allclose(predicted(gray).probabilities, wanted, atol=1e-5)
    np.testing.assert_allclose(predicted(gray[0]).probabilities, wanted[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("array", "why"),
    [
        (np.zeros((4, 4, 3), np.float32), "images must be uint8"),
        (np.zeros((4, 4, 4, 4), np.uint8), r"an image is \(H, W, 3\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"an image is \(H, W, 3\)"),
        (np.zeros(4, np.uint8), r"an image is \(H, W, 3\)"),
    ],
)
def test_arrays_that_are_no_images_are_refused(predicted, array: np.ndarray, why: str) -> None:
    with pytest.raises(DataError, match=f"array 1: .*{why}"):
        predicted(CELLS[0], array)


def test_what_is_not_there_is_told_before_anything_is_predicted(tmp_path: Path, predicted) -> None:
    with pytest.raises(MissingInputError, match=r"no image, folder or npz at .*no\.png, .*nor\.npz"):
        predicted(CELLS[0], tmp_path / "no.png", tmp_path / "nor.npz")
    with pytest.raises(MissingInputError, match="no images in it"):
        predicted(tmp_path)


def test_a_row_names_the_likeliest_and_the_second() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2]], np.float32)
    answers = ImagePredictions(
        names=("x", "y"), probabilities=probabilities, classes=tuple("abc"), rehearsal=False, unreadable={}
    )
    first, tied = answers.rows()
    assert (first.image, first.predicted, first.second) == ("x", "b", "c")
    assert (first.probability, first.probabilities["a"]) == (pytest.approx(0.5), pytest.approx(0.2))
    assert (tied.predicted, tied.second) == ("a", "b")


# --- evaluating -------------------------------------------------------------------------------------------------


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    np.savez(tmp_path / "cells.npz", images=CELLS, labels=LABELS)
    return tmp_path / "cells.npz"


def test_figures_are_those_of_scikit_learn(tiny_run: Path, registry: Registry, cells: Path, said) -> None:
    found = evaluate_on(tiny_run, cells, registry, CPU)
    answers = said(CELLS).argmax(1)
    assert (found.record.n, found.record.part, found.seen_in_training) == (24, "all", 0)
    assert found.record.accuracy == pytest.approx(accuracy_score(LABELS, answers))
    assert found.record.balanced_accuracy == pytest.approx(balanced_accuracy_score(LABELS, answers))


def test_images_of_the_training_part_are_known_by_their_content(
    tiny_run: Path, registry: Registry, tmp_path: Path
) -> None:
    with np.load(tiny_run / "train_batch.npz") as batch:  # no augmentation: as they are stored
        images, labels = batch["images"], batch["label"]
    np.savez(tmp_path / "some.npz", images=np.concatenate([images, CELLS]), labels=np.concatenate([labels, LABELS]))
    found = evaluate_on(tiny_run, tmp_path / "some.npz", registry, CPU)
    assert (found.record.n, found.seen_in_training) == (16 + 24, 16)
    assert evaluate_on(tiny_run, tmp_path / "some.npz", registry, CPU, unseen=True).record.n == 24
    np.savez(tmp_path / "seen.npz", images=images, labels=labels)
    with pytest.raises(DataError, match="trained on every image of it"):
        evaluate_on(tiny_run, tmp_path / "seen.npz", registry, CPU, unseen=True)


def test_weights_alone_do_not_know_what_they_were_trained_on(
    tiny_run: Path, registry: Registry, cells: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "w.safetensors"
    alone.parent.mkdir()
    alone.write_bytes((tiny_run / "best.safetensors").read_bytes())
    assert evaluate_on(alone, cells, registry, CPU).seen_in_training is None
    with pytest.raises(UsageError, match="which images it was trained on is not known"):
        evaluate_on(alone, cells, registry, CPU, unseen=True)


def test_classes_are_matched_by_name_not_by_number(tiny_run: Path, registry: Registry, tmp_path: Path, said) -> None:
    names = {"platelet": 7, "monocyte": 5}  # in a folder they are 0: monocyte, 1: platelet
    shown = []
    for name, label in names.items():
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            shown.append((label, render(label, 4_000 + number, size=32).image))
            Image.fromarray(shown[-1][1]).save(tmp_path / "set" / name / f"{number}.png")
    answers = said(np.stack([image for _, image in shown])).argmax(1)
    found = evaluate_on(tiny_run, tmp_path / "set", registry, CPU).record
    assert np.array(found.confusion).shape == (8, 8)
    assert np.array(found.confusion)[[5, 7]].sum() == 6
    assert found.accuracy == pytest.approx(accuracy_score([label for label, _ in shown], answers))
    (tmp_path / "set" / "platelet").rename(tmp_path / "set" / "unheard")
    with pytest.raises(DataError, match="the network does not know the classes unheard"):
        evaluate_on(tiny_run, tmp_path / "set", registry, CPU)


def test_a_part_is_one_that_the_set_has(tiny_run: Path, registry: Registry, cells: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no parts of its own"):
        evaluate_on(tiny_run, cells, registry, CPU, part="test")
    for part, numbers in (("train", range(16)), ("test", range(16, 24))):
        for number in numbers:
            file = tmp_path / "own" / part / ("monocyte", "platelet")[number % 2] / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(CELLS[number]).save(file)
    counted = {
        part: evaluate_on(tiny_run, tmp_path / "own", registry, CPU, part=part).record.n
        for part in (None, "train", "all")
    }
    assert counted == {None: 8, "train": 16, "all": 24}
    with pytest.raises(DataError, match="its part `val` has no images"):
        evaluate_on(tiny_run, tmp_path / "own", registry, CPU, part="val")


# --- explaining -------------------------------------------------------------------------------------------------


def test_a_run_is_explained_on_its_own_test_images(tiny_run: Path, registry: Registry) -> None:
    found = explain_on(tiny_run, None, registry, CPU, images=4)
    assert found.maps.maps.shape == (4, 32, 32)
    assert found.comparison is None, "one stage: nothing to compare it with"
    with pytest.raises(UsageError, match="no explainer is called `grad_cma`"):
        explain_on(tiny_run, None, registry, CPU, use="grad_cma")


def test_weights_alone_have_no_images_of_their_own(tiny_run: Path, registry: Registry) -> None:
    with pytest.raises(MissingInputError, match="no images of its own"):
        explain_on(tiny_run / "best.safetensors", None, registry, CPU)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("/x/a/run", "/x/b/run", ("a/run", "b/run")),
        ("/x/one", "/x/two", ("one", "two")),
        ("/x/same", "/x/same", ("same", "same")),
        ("/run", "/x/run", ("/run", "x/run")),
    ],
)
def test_two_runs_are_named_by_where_their_paths_part(first: str, second: str, names: tuple[str, str]) -> None:
    assert distinct_names(Path(first), Path(second)) == names
