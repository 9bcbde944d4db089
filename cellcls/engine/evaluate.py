"""Predicting and measuring: probabilities of images, metrics of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from cellcls.engine.network import Network
from cellcls.engine.views import View
from cellcls.engine.views import views as view_functions
from cellcls.ops.statistics.features import FeatureModel
from cellcls.ops.statistics.metrics import confusion_matrix

BATCH = 64


@attrs.frozen(kw_only=True)
class Predictions:
    """What a network says of some images of a source."""

    index: Indices
    label: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    loss: NDArray[np.float32] | None
    """(n,) the recipe's loss of each image, None where none was asked for."""
    seconds_per_image: float
    """The network's own, the median over batches: without reading, resizing and corrupting the image."""
    views: dict[str, NDArray[np.float32]]
    """Probabilities (n, K) by each view alone."""
    distance: NDArray[np.float32] | None = None
    """(n,) from the known images, in thresholds; None if the network has no model of them."""

    def restricted(self) -> Predictions:
        """Return the same with probabilities restricted to the classes that occur, to add up to 1 over these."""
        kept = np.isin(np.arange(self.probabilities.shape[1]), self.label)
        views = {name: _among(kept, probabilities) for name, probabilities in self.views.items()}
        return attrs.evolve(self, probabilities=_among(kept, self.probabilities), views=views)

    @property
    def unknown(self) -> NDArray[np.bool_] | None:
        """Which images (n,) are unlike the known ones, None if that cannot be told."""
        return None if self.distance is None else self.distance > 1

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The likeliest class of each image (n,)."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.int64)

    def confusion(self) -> NDArray[np.int64]:
        """Return counts (K, K): rows are the true classes, columns the predicted ones."""
        return confusion_matrix(self.label, self.predicted, self.probabilities.shape[1])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``predictions/NAME.npz`` holds."""
        distance = {} if self.distance is None else {"distance": self.distance}
        return {"index": self.index, "label": self.label, "probabilities": self.probabilities, **distance}


def _among(kept: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities (n, K) of the classes ``kept`` (K,) alone, made to add up to 1; equal where all are 0."""
    among = np.where(kept, probabilities, 0)
    total = among.sum(1, keepdims=True)
    even = np.broadcast_to(kept / kept.sum(), among.shape)
    return np.asarray(np.divide(among, total, out=even.astype(np.float32), where=total > 0), dtype=np.float32)


@torch.inference_mode()
def predict(
    network: nn.Module,
    images: Images,
    indices: Indices,
    machine: Machine,
    *,
    loss: PerSampleLoss | None = None,
    views: tuple[str, ...] = (),
) -> Predictions:
    """Return the network's probabilities for ``indices``, shared out over the processes and gathered by position.

    With ``views`` (names of sets of them) probabilities are the mean over all views; the loss is that of their log.
    """
    network.eval()
    seen = view_functions(views)
    own = np.arange(len(indices))[machine.rank :: machine.processes]
    labels = images.source.labels[indices]
    seconds: list[float] = []
    rows = []
    for part in _portions(own):
        batch = images.take(indices[part])
        started = machine.now()
        rows.append(_batch(network, batch, labels[part], machine, loss, seen))
        seconds.append((machine.now() - started) / len(part))
    share = (own, *(np.concatenate(column) for column in zip(*rows, strict=True))) if rows else None
    shares = [part for part in machine.gathered(share) if part is not None]
    if not shares:
        raise ValueError("no images to predict")
    order = np.argsort(np.concatenate([part[0] for part in shares]))
    probabilities, losses, by_view, distance = (
        np.concatenate([part[place] for part in shares])[order] for place in (1, 2, 3, 4)
    )
    return Predictions(
        index=indices,
        label=labels,
        probabilities=probabilities,
        loss=losses if loss else None,
        seconds_per_image=float(np.median(seconds)) if seconds else 0.0,
        views={name: by_view[:, number] for number, name in enumerate(seen)},
        distance=None if known_images(network) is None else distance,
    )


def _portions(positions: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    return (positions[start : start + BATCH] for start in range(0, len(positions), BATCH))


def _batch(
    network: nn.Module,
    images: torch.Tensor,
    labels: NDArray[np.int64],
    machine: Machine,
    loss: PerSampleLoss | None,
    views: Mapping[str, View],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return probabilities (B, K), losses (B,), probabilities by view (B, V, K) and the distance from known images
    (B,) of images (B, 3, S, S)."""
    known = known_images(network)
    distance = np.zeros(len(images), np.float32)
    with machine.autocast():
        if known is None:
            logits = [network(view(images)).float() for view in views.values()]
        else:
            seen = [network.logits_and_features(view(images)) for view in views.values()]  # type: ignore[operator]
            logits = [single.float() for single, _ in seen]
            distance = known.in_thresholds(pooled(seen[0][1]))
    one_view = torch.stack([single.softmax(1) for single in logits])
    probabilities = one_view.mean(0)
    targets = torch.from_numpy(labels).to(probabilities.device)
    said = logits[0] if len(logits) == 1 else probabilities.clamp_min(1e-12).log()
    losses = loss(said, targets).float() if loss else torch.zeros(len(targets))
    return probabilities.cpu().numpy(), losses.cpu().numpy(), one_view.transpose(0, 1).cpu().numpy(), distance


def known_images(network: nn.Module) -> FeatureModel | None:
    """Return a network's model of the images it knows, if it has one."""
    return network.known if isinstance(network, Network) else None


def pooled(features: torch.Tensor) -> NDArray[np.float32]:
    """Return the mean (B, C) of a map of features (B, C, h, w)."""
    means: NDArray[np.float32] = features.float().mean((2, 3)).cpu().numpy()
    return means


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
