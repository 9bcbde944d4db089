"""What is exported, and the images on which an export is compared with it."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from cellcls.api import Source
from cellcls.engine.data import open_source
from cellcls.engine.device import Machine
from cellcls.engine.evaluate import predict, to_uint8
from cellcls.engine.images import Images
from cellcls.engine.network import Trained
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import render
from cellcls.recipe import PARTS, Recipe, load
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options
from cellcls.runs.records import DataRecord, MetricsRecord, read

RENDERED_SIZE = 96
"""Side in pixels of rendered cells: that of the challenge's images."""

REHEARSED = (
    "These weights come from a rehearsal: a few steps on rendered cells. They know nothing about blood cells and must "
    "not be used for anything but trying out the tools."
)


class _Held(Source):
    """Images in memory; their labels are not asked for."""

    def __init__(self, pixels: NDArray[np.uint8], classes: tuple[str, ...]) -> None:
        self.pixels = pixels
        self.class_names = classes
        self.labels = np.zeros(len(pixels), dtype=np.int64)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images asked for."""
        return self.pixels[indices]


@attrs.frozen(kw_only=True)
class ExampleImages:
    """Images on which an export is compared with the run, as they are stored: (n, H, W, 3) uint8. ``of`` says what they
    are."""

    pixels: NDArray[np.uint8]
    of: str


@attrs.frozen(kw_only=True)
class Agreement:
    """How far an export and the run agree on the same images."""

    images: int
    images_of: str
    """What the images are."""
    same_labels: int
    max_difference: float
    """Of the probabilities; for ``hub`` of the logits."""
    load_seconds: float | None = None
    """``codabench``: what loading took in a clean process."""
    seconds: float | None = None
    """``codabench``: what predicting these images took there."""
    opset: int | None = None
    """``onnx``: the version of ONNX's set of operations."""
    architecture: str | None = None
    """``hub``: timm's name of it."""


@attrs.frozen(kw_only=True)
class Subject:
    """A run's best network, on the CPU, and the run it comes from."""

    run: Path
    trained: Trained
    registry: Registry

    @property
    def size(self) -> int:
        """Side of the network's input in pixels."""
        return self.trained.config.input.size

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.trained.config.classes

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return self.metrics is not None

    @property
    def metrics(self) -> MetricsRecord | None:
        """The run's metrics, None where it has not come to its end."""
        file = RunFolder(self.run).metrics
        return read(file, MetricsRecord) if file.exists() else None

    @property
    def data(self) -> DataRecord:
        """The run's data record. Raises ``MissingInputError``."""
        file = RunFolder(self.run).data
        if not file.is_file():
            raise MissingInputError(f"{file}: not there", f"is {self.run} a run folder?")
        return read(file, DataRecord)

    def recipe(self) -> Recipe:
        """Return the run's recipe. Raises ``MissingInputError``."""
        return load(RunFolder(self.run).recipe, self.registry, rehearse=True)[0].recipe

    def examples(self, count: int) -> ExampleImages:
        """Return ``count`` images of the run's data set (fewer where it has fewer), of the test part first, or rendered
        cells where it is not at hand."""
        try:
            return self._own_images(count)
        except (MissingInputError, DataError) as error:
            pixels = np.stack([render(n % len(CLASSES), n, size=RENDERED_SIZE).image for n in range(count)])
            reason = error.message.rstrip(".")
            return ExampleImages(
                pixels=pixels, of=f"rendered cells, as the run's own images are not to be had ({reason})"
            )

    def _own_images(self, count: int) -> ExampleImages:
        folder = RunFolder(self.run)
        options = read(folder.options, Options)
        source = open_source(find_inputs(self.recipe(), folder.recipe, self.registry, options))
        parts = {part: [index for index in self.data.parts.get(part, ()) if index < len(source)] for part in PARTS}
        chosen = next((part for part in ("test", "val") if len(parts[part]) >= count), None)
        rows = np.array(parts[chosen] if chosen else [*parts["test"], *parts["val"], *parts["train"]], dtype=np.int64)
        spread = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64)
        return ExampleImages(
            pixels=source.read(rows[spread]), of=f"images of the run's {chosen + ' part' if chosen else 'data set'}"
        )

    def prepared(self, examples: ExampleImages) -> torch.Tensor:
        """Return the examples as the network gets them: (n, 3, S, S) float32 in 0..1."""
        return self._images(examples).take(np.arange(len(examples.pixels)))

    def fitted(self, examples: ExampleImages) -> ExampleImages:
        """Return the examples resized for the network, still uint8."""
        return attrs.evolve(examples, pixels=to_uint8(self.prepared(examples)))

    def probabilities(self, examples: ExampleImages) -> NDArray[np.float32]:
        """Return what the run itself answers, (n, K)."""
        here = Machine(device=torch.device("cpu"), precision="float32", threads=torch.get_num_threads())
        return predict(
            self.trained.network, self._images(examples), np.arange(len(examples.pixels)), here
        ).probabilities

    def _images(self, examples: ExampleImages) -> Images:
        source = _Held(examples.pixels, self.classes)
        return Images(source, self.trained.config.input, torch.device("cpu"))
