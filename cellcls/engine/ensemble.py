"""Several networks as one: the mean of their probabilities. Each gets the images that its own input makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cellcls.engine.data import Indices
from cellcls.engine.device import Machine
from cellcls.engine.evaluate import BATCH, Predictions, predict
from cellcls.engine.images import Images
from cellcls.engine.measure import Measured, measure
from cellcls.engine.network import Trained, load_network
from cellcls.errors import DataError
from cellcls.recipe import Evaluation
from cellcls.registry import Registry

Member: TypeAlias = "tuple[nn.Module, Images]"
"""A network and the images as it takes them. All members have the same images."""


def load_ensemble(runs: Sequence[Path], registry: Registry) -> list[Trained]:
    """Load the networks of runs or weights files, each with its classes in the order of the first.

    Raises ``DataError`` if they do not have the same classes, and what ``load_network`` raises.
    """
    first, *others = [load_network(run, registry) for run in runs]
    classes = first.config.classes
    for run, trained in zip(runs[1:], others, strict=True):
        different = sorted({*classes} ^ {*trained.config.classes})
        if different:
            raise DataError(
                f"{run}: its classes are not those of {runs[0]}; only one of them has: {', '.join(different)}",
                "an ensemble is of networks with the same classes",
            )
    return [first, *(_in_order(trained, classes) for trained in others)]


def _in_order(trained: Trained, classes: tuple[str, ...]) -> Trained:
    """Return a network with its logits in the order of ``classes``."""
    if trained.config.classes == classes:
        return trained
    order = [trained.config.classes.index(name) for name in classes]
    trained.network.head = nn.Sequential(trained.network.head, _Reordered(order))
    return attrs.evolve(trained, config=attrs.evolve(trained.config, classes=classes))


class _Reordered(nn.Module):
    """Logits in another order of the classes."""

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order

    def forward(self, logits: Tensor) -> Tensor:
        return logits[:, self.order]


def predict_together(
    members: Sequence[Member], machine: Machine, then: Callable[[Indices, Predictions], None] | None = None
) -> Predictions:
    """Predict all images, batch by batch, so that the networks can share what is read.

    ``then`` gets the indices and predictions of each batch, whose images are still at hand.
    """
    everything = np.arange(len(members[0][1].source))
    found: list[Predictions] = []
    for start in range(0, len(everything), BATCH):
        batch = everything[start : start + BATCH]
        found.append(mean([predict(*member, batch, machine) for member in members]))
        if then is not None:
            then(batch, found[-1])
    return _each_array(found, np.concatenate, keep=())


def measure_together(
    members: Sequence[Member], indices: Indices, machine: Machine, evaluation: Evaluation, registry: Registry
) -> Measured:
    """Measure the mean of the networks' probabilities. Raises what ``measure`` raises."""
    found = [measure(*member, indices, machine, evaluation, registry) for member in members]
    clean = [measured.clean for measured in found if measured.clean is not None]
    conditions = zip(*(measured.predictions for measured in found), strict=True)
    return attrs.evolve(
        found[0],
        predictions=tuple(mean(predictions) for predictions in conditions),
        clean=mean(clean) if clean else None,
    )


def mean(found: Sequence[Predictions]) -> Predictions:
    """Return the mean of several networks' predictions of the same images. Their times add up."""
    if len(found) == 1:
        return found[0]
    seconds = sum(predictions.seconds_per_image for predictions in found)
    return attrs.evolve(_each_array(found, _mean, keep=("index", "label")), seconds_per_image=seconds)


Combine: TypeAlias = "Callable[[Sequence[NDArray[np.float32]]], NDArray[np.float32]]"


def _each_array(found: Sequence[Predictions], combine: Combine, keep: Sequence[str]) -> Predictions:
    """Combine every array of predictions but those of ``keep``; one that some of them lack is None."""
    combined: dict[str, Any] = {}
    for name, value in attrs.asdict(found[0], recurse=False).items():
        arrays = [getattr(predictions, name) for predictions in found]
        if name not in keep and isinstance(value, np.ndarray):
            combined[name] = None if any(array is None for array in arrays) else combine(arrays)
    combined["views"] = {name: combine([predictions.views[name] for predictions in found]) for name in found[0].views}
    return attrs.evolve(found[0], **combined)


def _mean(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(np.mean(arrays, axis=0, dtype=np.float64), dtype=np.float32)
