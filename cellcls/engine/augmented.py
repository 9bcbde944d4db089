"""What augmentation makes of a few images of each class: the originals, and beside each several draws of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.engine.data import Indices
from cellcls.engine.evaluate import pictures, to_uint8
from cellcls.engine.samples import EpochSamples
from cellcls.engine.session import Session
from cellcls.engine.step import augmented

PICTURES = 6
"""As many are shown of each class."""
CLASSES = 24
"""As many classes are shown, the first ones."""


@attrs.frozen
class _Picture:
    """The image ``index``, or what training makes of ``row`` of its samples in ``epoch`` (None: in any)."""

    index: int
    row: int | None = None
    epoch: int | None = None


def augmented_samples(session: Session) -> dict[str, NDArray[Any]]:
    """Return what ``augmented.npz`` holds: ``images`` (n, S, S, 3) uint8 with their ``label`` (n,), class by class.

    ``copy`` (n,): which copy of the image it is, 0 where ``[expand]`` makes none; ``epoch`` (n,): the epoch whose draw
    it is, from 1, 0 where it is the same in all. Both 0: the image as it is.
    """
    samples, labels = session.samples, session.data.source.labels
    shown = [
        picture
        for number in range(min(len(session.data.classes), CLASSES))
        for picture in islice(_of_class(samples, np.flatnonzero(labels[samples.index] == number)), PICTURES)
    ]
    return {
        "images": _drawn(session, shown),
        "label": labels[[picture.index for picture in shown]].astype(np.int64),
        "copy": np.array([0 if picture.row is None else samples.copy[picture.row] for picture in shown], np.int64),
        "epoch": np.array([0 if picture.epoch is None else picture.epoch + 1 for picture in shown], np.int64),
    }


def _of_class(samples: EpochSamples, rows: Indices) -> Iterator[_Picture]:
    """Yield images of a class, each followed by its draws: those of one image, and of more where there are few."""
    drawn = rows[samples.changed(rows)]
    fixed = samples.expanded and samples.fixed
    epochs = [None] if fixed else range(PICTURES)
    for index in dict.fromkeys(samples.index[drawn if len(drawn) else rows][: PICTURES**2].tolist()):
        own = drawn[samples.index[drawn] == index].tolist()
        yield _Picture(index)
        yield from (_Picture(index, row, epoch) for epoch in epochs for row in own)


def _drawn(session: Session, shown: list[_Picture]) -> NDArray[np.uint8]:
    images = pictures(session.images, np.array([picture.index for picture in shown], np.int64))
    for epoch in {picture.epoch for picture in shown if picture.row is not None}:
        places = [at for at, picture in enumerate(shown) if picture.row is not None and picture.epoch == epoch]
        rows = np.array([shown[at].row for at in places])
        images[places] = to_uint8(augmented(session, rows, epoch or 0)[0])
    return images
