"""Predicting and measuring: probabilities of images, figures of an evaluation."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cellcls.api import PerSampleLoss
from cellcls.engine.data import Indices
from cellcls.engine.device import Machine
from cellcls.engine.images import Images
from cellcls.ops.metrics import confusion_matrix, points, summary

BATCH = 64


@attrs.frozen(kw_only=True)
class Predictions:
    """What a network says of some images of a source."""

    index: Indices
    label: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    loss: NDArray[np.float32]
    seconds_per_image: float

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each image (n,)."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.int64)

    def points(self) -> dict[str, float]:
        """Return the figures an epoch's line holds, without intervals."""
        found = points(confusion_matrix(self.label, self.predicted, self.probabilities.shape[1]))
        return found | {"loss": float(self.loss.mean())}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``predictions/NAME.npz`` holds."""
        return {"index": self.index, "label": self.label, "probabilities": self.probabilities}

    def figures(self, class_names: tuple[str, ...]) -> dict[str, Any]:
        """Return the figures of an evaluation, as in ``metrics.json``."""
        confusion = confusion_matrix(self.label, self.predicted, len(class_names))
        found = summary(confusion, class_names)
        return found | {
            "loss": float(self.loss.mean()) if len(self.loss) else 0.0,
            "seconds_per_image": self.seconds_per_image,
        }


@torch.inference_mode()
def predict(
    network: nn.Module, images: Images, indices: Indices, machine: Machine, *, loss: PerSampleLoss | None = None
) -> Predictions:
    """Return the network's probabilities for ``indices``, shared out over the processes and gathered by position."""
    network.eval()
    own = np.arange(len(indices))[machine.rank :: machine.processes]
    labels = images.source.labels[indices]
    started = time.perf_counter()
    rows = list(_rows(network, images, indices[own], labels[own], machine, loss))
    seconds = time.perf_counter() - started
    share = (own, *(np.concatenate(column) for column in zip(*rows, strict=True))) if rows else None
    shares = [one for one in machine.gathered(share) if one is not None]
    if not shares:
        nothing = np.zeros((0, 0), np.float32)
        return Predictions(
            index=indices, label=labels, probabilities=nothing, loss=nothing[:, 0:0].ravel(), seconds_per_image=0.0
        )
    order = np.argsort(np.concatenate([one[0] for one in shares]))
    return Predictions(
        index=indices,
        label=labels,
        probabilities=np.concatenate([one[1] for one in shares])[order],
        loss=np.concatenate([one[2] for one in shares])[order],
        seconds_per_image=seconds / max(len(own), 1),
    )


def _rows(
    network: nn.Module,
    images: Images,
    indices: Indices,
    labels: NDArray[np.int64],
    machine: Machine,
    loss: PerSampleLoss | None,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    for start in range(0, len(indices), BATCH):
        part = slice(start, start + BATCH)
        with machine.autocast():
            logits = network(images.take(indices[part])).float()
        targets = torch.from_numpy(labels[part]).to(logits.device)
        losses = loss(logits, targets) if loss else torch.zeros(len(targets))
        yield logits.softmax(1).cpu().numpy(), losses.float().cpu().numpy()


def most_confused(predictions: Predictions, images: Images, count: int = 24) -> dict[str, NDArray[Any]]:
    """Return what ``examples/NAME.npz`` holds: the wrong predictions the network was surest of, surest first."""
    predicted = predictions.predicted
    sure = predictions.probabilities.max(1, initial=0.0)
    wrong = np.flatnonzero(predicted != predictions.label)
    chosen = wrong[np.argsort(-sure[wrong], kind="stable")][:count]
    return {
        "images": pictures(images, predictions.index[chosen]),
        "index": predictions.index[chosen],
        "label": predictions.label[chosen],
        "predicted": predicted[chosen],
        "probability": sure[chosen],
    }


def pictures(images: Images, indices: Indices) -> NDArray[np.uint8]:
    """Return images (n, S, S, 3) uint8 as the network gets them, before augmentation."""
    if not len(indices):
        return np.zeros((0, images.size, images.size, 3), np.uint8)
    return to_uint8(images.take(indices))


def to_uint8(images: torch.Tensor) -> NDArray[np.uint8]:
    """Return images (B, 3, H, W) in 0..1 as (B, H, W, 3) uint8."""
    pixels: NDArray[np.uint8] = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels
