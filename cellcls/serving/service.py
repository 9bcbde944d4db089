"""What is served: the predictions of a model for the bytes of an image."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.engine.inference import ImagePrediction, Predictor
from cellcls.errors import DataError
from cellcls.ops.storage.decode import decode
from cellcls.serving.worker import Worker


@attrs.frozen(kw_only=True)
class Asked:
    """An image to predict: its file's bytes, and whether to draw where the network looks."""

    name: str
    data: bytes
    heat: bool = False


@attrs.frozen(kw_only=True)
class Answered:
    """A prediction, and the map over the image as a PNG if it was asked for."""

    prediction: ImagePrediction
    heat: bytes | None = None

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data, the picture as a ``data:`` address."""
        picture = None if self.heat is None else f"data:image/png;base64,{base64.b64encode(self.heat).decode()}"
        return {**self.prediction.to_data(), "heat": picture}


@attrs.frozen(kw_only=True)
class About:
    """What a client may know of the model."""

    name: str
    classes: tuple[str, ...]
    card: str | None
    rehearsal: bool


class Service:
    """Predicts images for many clients at once; all work is done by one thread, as neither the network nor the decoder
    may be used by several."""

    def __init__(self, predictor: Predictor, name: str, card: str | None = None, *, waiting: int = 256) -> None:
        self.about = About(name=name, classes=predictor.classes, card=card, rehearsal=predictor.rehearsal)
        self._predictor = predictor
        self._worker: Worker[Asked, Answered] = Worker(self._answer, waiting=waiting)

    def ask(self, asked: Asked) -> Future[Answered]:
        """Return the answer to come, an ``error`` in it for an image that cannot be read. Raises ``BusyError``."""
        return self._worker.ask(asked)

    def close(self) -> None:
        """Answer what waits, and stop."""
        self._worker.close()

    def _answer(self, batch: Sequence[Asked]) -> Sequence[Answered]:
        found: dict[int, Answered] = {}
        alike: dict[tuple[int, ...], dict[int, NDArray[np.uint8]]] = {}
        for place, asked in enumerate(batch):
            try:
                pixels = decode(asked.data, name=asked.name)
            except DataError as error:
                unreadable = ImagePrediction(image=asked.name, error=error.message)
                found[place] = Answered(prediction=unreadable)
                continue
            if asked.heat:
                found[place] = self._drawn(asked.name, pixels)
            else:
                alike.setdefault(pixels.shape, {})[place] = pixels
        for images in alike.values():
            found |= self._predicted(images, batch)
        return [found[place] for place in range(len(batch))]

    def _predicted(self, images: Mapping[int, NDArray[np.uint8]], batch: Sequence[Asked]) -> dict[int, Answered]:
        """Predict images of one shape together."""
        rows = self._predictor.predict([np.stack(list(images.values()))], warn=False).rows()
        return {
            place: Answered(prediction=attrs.evolve(row, image=batch[place].name))
            for place, row in zip(images, rows, strict=True)
        }

    def _drawn(self, name: str, pixels: NDArray[np.uint8]) -> Answered:
        from cellcls.report.pictures import overlay
        from cellcls.report.style import encode_png

        pictures: list[bytes] = []

        def draw(_place: int, _name: str, image: NDArray[np.uint8], heat: NDArray[np.float32]) -> None:
            pictures.append(encode_png(overlay(image, heat)))

        (row,) = self._predictor.predict([pixels], draw=draw, warn=False).rows()
        return Answered(prediction=attrs.evolve(row, image=name), heat=pictures[0])
