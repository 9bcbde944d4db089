"""After training: the temperature and the model of known images (``[prediction]``), fitted for the best weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from cellcls.engine.data import Indices, evenly_spaced
from cellcls.engine.evaluate import BATCH, pooled
from cellcls.engine.images import Images
from cellcls.engine.measure import Corrupted, conditions_of
from cellcls.engine.network import Network, load_network
from cellcls.engine.session import Session
from cellcls.ops.statistics.calibration import fit_temperature
from cellcls.ops.statistics.features import FeatureModel, fit
from cellcls.recipe import Evaluation

MOST_TRAINING = 3000
"""Training images that features are fitted on, at most."""
MOST_VALIDATION = 2000
"""Images of an evaluation that a threshold or a temperature is fitted on, at most."""

Rows = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""Logits (N, K), features (N, C) and labels (N,)."""


def calibrate(session: Session) -> None:
    """Fit what ``[prediction]`` asks for and write it into the file of the best weights.

    All of it depends on the weights alone, so a run stopped here and resumed fits the same again.
    """
    wanted, file = session.recipe.prediction, session.job.folder.best
    if not len(session.data.parts["val"]):
        return
    network = load_network(file, session.job.registry).network.to(session.machine.device)
    network.temperature, network.known = 1.0, None
    known = _known_images(session, network) if wanted.unknown else None
    if wanted.temperature is not None:
        logits, _, labels = _rows(network, _seen_by(session, session.recipe.evaluation(wanted.temperature)))
        network.temperature = fit_temperature(logits, labels)
    network.known = known
    session.write_weights(file, network)


def _known_images(session: Session, network: Network) -> FeatureModel:
    """Fit a model to the features of training images as they are (augmented ones made it blunter), and its threshold to
    validation images: equally many of each evaluation in ``known``."""
    train, wanted = evenly_spaced(session.data.parts["train"], MOST_TRAINING), session.recipe.prediction
    _, features, labels = _rows(network, ((session.images, portion) for portion in _portions(train)))
    shown = [_rows(network, _seen_by(session, session.recipe.evaluation(name)))[1] for name in wanted.known]
    return fit(features, labels).with_threshold(np.concatenate(shown), wanted.unknown)


def _seen_by(session: Session, evaluation: Evaluation) -> Iterator[tuple[Images, Indices]]:
    """Yield batches of what an evaluation of validation images sees, an even share of each of its conditions: of all
    evaluations equally many."""
    everything, size = session.data.parts["val"], session.images.size
    found = [
        session.images if condition.operation is None else Corrupted(session.images, condition, evaluation.seed)
        for condition in conditions_of(evaluation, size, session.job.registry)
    ]
    pairs = evenly_spaced(np.arange(len(found) * len(everything)), min(len(everything), MOST_VALIDATION))
    for number, images in enumerate(found):
        chosen = pairs[pairs // len(everything) == number] % len(everything)
        yield from ((images, portion) for portion in _portions(everything[chosen]))


def _portions(indices: Indices) -> Iterator[Indices]:
    return (indices[start : start + BATCH] for start in range(0, len(indices), BATCH))


@torch.inference_mode()
def _rows(network: Network, batches: Iterable[tuple[Images, Indices]]) -> Rows:
    """Return what a network says of batches of images, in float32, as predictions are made in it."""
    logits, features, labels = [], [], []
    for images, indices in batches:
        said, seen = network.logits_and_features(images.take(indices))
        logits.append(said.float().cpu().numpy())
        features.append(pooled(seen))
        labels.append(images.source.labels[indices])
    return np.concatenate(logits), np.concatenate(features), np.concatenate(labels)
