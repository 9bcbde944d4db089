"""Runs, ensembles of them, or the installed model, used on images."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cellcls.errors import UsageError
from cellcls.library.table import Prediction, PredictionTable
from cellcls.ops.storage.paths import expanded
from cellcls.registry import Registry, load_registry
from cellcls.runs.chosen import Chosen, choose
from cellcls.runs.options import Options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cellcls.engine.inference import DataEvaluation

_log = logging.getLogger(__name__)
Image: TypeAlias = "str | Path | NDArray[np.uint8]"
RunOrRuns: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""A ``Run`` is a path, too."""


def predict(
    images: Image | list[Image],
    *,
    run: RunOrRuns | None = None,
    center_crop: int | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> PredictionTable:
    """Predict the class of images.

    ``images``: a file, a folder or an npz, an array (H, W, 3) or (N, H, W, 3) uint8, RGB, or a list of these. ``run``:
    a run or a weights file; a list of them is an ensemble, whose probabilities are averaged; None: the installed model.
    Of larger images, the middle ``center_crop`` pixels are cut out first. Images that cannot be read are in
    ``bad_images`` of the result, with a warning. Raises ``MissingPluginError`` if no model is installed,
    ``MissingInputError``, and ``DataError`` if no image can be read.
    """
    from cellcls.engine.inference import predict_images

    listed: list[Image] = list(images) if isinstance(images, list | tuple) else [images]
    given = [expanded(image) if isinstance(image, str | Path) else image for image in listed]
    registry = load_registry()
    chosen = _chosen(run, registry)
    found = predict_images(
        chosen.runs, given, registry, Options(device=device, threads=threads), center_crop=center_crop
    )
    predictions = [
        Prediction(
            image=row.image,
            label=row.predicted,
            probability=row.probability,
            probabilities=row.probabilities,
            unknown=row.unknown,
        )
        for row in found.rows()
        if row.error is None
    ]
    error = found.error()
    if error is not None:
        _log.warning("%s", error)
    return PredictionTable(predictions, rehearsal=found.rehearsal, bad_images=found.bad_images, models=chosen.models)


def evaluate(
    data: str | Path,
    *,
    run: RunOrRuns | None = None,
    part: Literal["train", "val", "test", "all"] | None = None,
    unseen: bool = False,
    corrupt: str | None = None,
    views: Sequence[str] = (),
    classes_present: bool = False,
    center_crop: int | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> DataEvaluation:
    """Evaluate on a labelled data set. Classes are matched by name.

    ``run`` is as in ``predict``. ``unseen`` leaves out images that a run was trained on; ``corrupt`` and ``views`` are
    as in a recipe's ``[[evaluate]]``; ``classes_present`` restricts probabilities to the classes that occur;
    ``center_crop`` is as in ``predict``. Raises ``MissingPluginError``, ``MissingInputError``, ``DataError``,
    ``UsageError``.
    """
    from cellcls.engine.inference import evaluate_on

    registry = load_registry()
    return evaluate_on(
        _chosen(run, registry).runs,
        expanded(data),
        registry,
        Options(device=device, threads=threads),
        part=part,
        unseen=unseen,
        corrupt=corrupt,
        views=tuple(views),
        classes_present=classes_present,
        center_crop=center_crop,
    )


def _chosen(run: RunOrRuns | None, registry: Registry) -> Chosen:
    if run is None:
        return choose((), registry)
    runs = [expanded(single) for single in ([run] if isinstance(run, str | os.PathLike) else run)]
    if not runs:
        raise UsageError("run is an empty list", "omit it to use the installed model")
    return choose(runs, registry)
