"""Predictions beside what NumPy makes of the same logits: ten times the mean of each channel."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch
from support.sources import CPU, Channels, Held, images_of, noise
from torch import Tensor, nn

from cellcls.engine.device import Machine
from cellcls.engine.evaluate import BATCH, Predictions, most_confused, pictures, predict, to_uint8

CLASSES = ("red", "green", "blue")


def source_of(count: int) -> Held:
    return Held(noise(count), np.arange(count) % 3, CLASSES)


def softmax(images: np.ndarray) -> np.ndarray:
    logits = 10 * (images / 255).mean((1, 2))
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def test_probabilities_come_in_the_order_that_was_asked_for() -> None:
    source, network = source_of(150), Channels()
    indices = np.random.default_rng(1).permutation(150)[:140]
    found = predict(network, images_of(source), indices, CPU)
    np.testing.assert_allclose(found.probabilities, softmax(source.images[indices]), atol=1e-5)
    assert np.array_equal(found.label, indices % 3)
    assert np.array_equal(found.index, indices)
    assert network.batches == [BATCH, BATCH, 140 - 2 * BATCH]
    assert found.loss is None


def test_the_confusion_has_true_classes_as_rows() -> None:
    source = source_of(60)
    found = predict(Channels(), images_of(source), np.arange(60), CPU)
    wanted = np.zeros((3, 3), int)
    for label, said in zip(source.labels, softmax(source.images).argmax(1), strict=True):
        wanted[label, said] += 1
    assert np.array_equal(found.confusion(), wanted)


class TopLeft(nn.Module):
    """Logits of the upper left pixel alone: each view has its own."""

    def forward(self, images: Tensor) -> Tensor:
        return 10 * images[:, :, 0, 0]


def test_views_are_averaged_as_probabilities_and_the_loss_is_of_their_mean() -> None:
    source = source_of(5)
    corners = {
        "as_it_is": source.images[:, 0, 0],
        "flip_horizontal": source.images[:, 0, -1],
        "flip_vertical": source.images[:, -1, 0],
    }
    by_view = {name: softmax(pixels[:, None, None]) for name, pixels in corners.items()}
    loss = nn.CrossEntropyLoss(reduction="none")
    found = predict(TopLeft(), images_of(source), np.arange(5), CPU, loss=loss, views=("flips",))
    mean = np.mean(list(by_view.values()), axis=0)
    np.testing.assert_allclose(found.probabilities, mean, atol=1e-5)
    # the logarithm of probabilities that sum to 1 is what cross entropy takes
    np.testing.assert_allclose(found.loss, -np.log(mean[np.arange(5), source.labels]), rtol=1e-4)
    assert found.views.keys() == by_view.keys()
    for name, shares in by_view.items():
        np.testing.assert_allclose(found.views[name], shares, atol=1e-5)


@attrs.frozen(kw_only=True)
class Second(Machine):
    """The other of two processes; ``shares`` gets what it tells the first."""

    shares: list[object]

    def gathered(self, value: object) -> list[object]:
        self.shares.append(value)
        return self.shares


@pytest.mark.parametrize("count", [1, 2, 150])
def test_two_processes_share_the_images_out(count: int) -> None:
    source = source_of(count)
    indices = np.arange(count)[::-1].copy()
    shares: list[object] = []
    found = None
    for rank in (1, 0):
        machine = Second(device=CPU.device, precision="float32", threads=1, rank=rank, processes=2, shares=shares)
        if rank == 1 and count == 1:
            shares.append(None)  # it has no image
            continue
        found = predict(Channels(), images_of(source), indices, machine)
    np.testing.assert_allclose(found.probabilities, softmax(source.images[indices]), atol=1e-5)


def test_the_time_of_an_image_is_the_networks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only moves where something is done: 100 seconds a read, a quarter a picture in the network."""
    clock = [0.0]
    monkeypatch.setattr(Machine, "now", lambda _self: clock[0])

    class Slow(Channels):
        def forward(self, images: Tensor) -> Tensor:
            clock[0] += 0.25 * len(images)
            return super().forward(images)

    class SlowToRead(Held):
        def read(self, indices: np.ndarray) -> np.ndarray:
            clock[0] += 100
            return super().read(indices)

    found = predict(Slow(), images_of(SlowToRead(noise(70))), np.arange(70), CPU)
    assert found.seconds_per_image == 0.25
    assert clock[0] > 200


def test_the_surest_mistakes_are_shown_first() -> None:
    source = source_of(5)
    probabilities = np.array([[0.9, 0.1, 0], [0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0, 1, 0], [0, 0.4, 0.6]], np.float32)
    found = Predictions(
        index=np.arange(5), label=source.labels, probabilities=probabilities, loss=None, seconds_per_image=0.0, views={}
    )
    shown = most_confused(found, images_of(source), count=3)
    assert shown["index"].tolist() == [3, 1, 4]  # sure by 1.0, 0.8, 0.6; 0 is right; 2 was less sure
    assert shown["predicted"].tolist() == [1, 0, 2]
    assert shown["label"].tolist() == [0, 1, 1]
    assert shown["probability"].tolist() == pytest.approx([1.0, 0.8, 0.6])
    assert np.array_equal(shown["images"], source.images[[3, 1, 4]])


def test_pictures_are_the_stored_ones_where_none_had_to_be_resized() -> None:
    source = source_of(3)
    assert np.array_equal(pictures(images_of(source), np.array([2, 0])), source.images[[2, 0]])
    assert pictures(images_of(source), np.array([], np.int64)).shape == (0, 8, 8, 3)


def test_bytes_are_rounded_not_cut() -> None:
    values = torch.tensor([0.0, 0.4, 0.6, 254.5, 255.0]) / 255
    assert to_uint8(values.view(1, 1, 1, 5).expand(1, 3, 1, 5))[0, 0, :, 0].tolist() == [0, 0, 1, 254, 255]


def test_nothing_to_predict_is_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        predict(Channels(), images_of(source_of(2)), np.array([], np.int64), CPU)
