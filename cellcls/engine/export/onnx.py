"""An ONNX file, from pixels to probabilities, tried with onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellcls.engine.export.program import traced
from cellcls.engine.export.subject import REHEARSED, Agreement, ExampleImages, Subject
from cellcls.errors import DataError, MissingPluginError, UsageError
from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.storage.files import replacing
from cellcls.recipe import to_data

IMAGES = 64
"""Number of images the file is tried on."""
TOLERANCE = 1e-4
"""Largest difference of a probability."""


class _FromPixels(nn.Module):
    """Images (B, S, S, 3) uint8 to probabilities (B, K): nobody has to know mean and deviation."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return the probabilities."""
        logits: Tensor = self.network(from_uint8(images))
        return logits.softmax(1)


def write_onnx(subject: Subject, out: Path) -> Agreement:
    """Write the file; return how it agrees with the run. Raises ``DataError`` where it does not, and
    ``MissingPluginError`` without the extra.

    Input ``images`` (B, S, S, 3) uint8, output ``probabilities`` (B, K) float32; class names, run and data hash are in
    the file's metadata.
    """
    _require()
    fitted = subject.fitted(subject.examples(IMAGES))
    with replacing(out) as temporary:
        opset = _write(subject, temporary)
        return attrs.evolve(_compared(subject, fitted, temporary), opset=opset)


def _require() -> None:
    """Raise ``MissingPluginError`` where the extra is not installed."""
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise MissingPluginError(
            f"--format onnx needs {error.name or 'onnx'}, which is not installed", "pip install 'cellcls[export]'"
        ) from error
    del onnx, onnxruntime, onnxscript


def _write(subject: Subject, path: Path) -> int:
    """Write the file and return the version of ONNX's set of operations it uses. Raises ``UsageError``."""
    program = traced(
        _FromPixels(subject.trained.network), torch.zeros(2, subject.size, subject.size, 3, dtype=torch.uint8)
    )
    try:
        made = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["images"],
            output_names=["probabilities"],
            dynamic_shapes=({0: "batch"},),
            external_data=False,
            verbose=False,
        )
    except Exception as error:  # any plugin's network, and an exporter with many layers
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"torch.onnx cannot write this network: {reason}") from error
    if made is None:
        raise AssertionError("torch.onnx.export returns a program with dynamo=True")
    made.model.metadata_props.update(_metadata(subject))
    made.save(path, external_data=False)
    return int(made.model.opset_imports[""])


def _metadata(subject: Subject) -> dict[str, str]:
    said = {
        "classes": json.dumps(subject.classes),
        "run": subject.trained.record.recipe,
        "recipe_hash": subject.trained.record.recipe_hash,
        "data_hash": subject.data.hash,
        "input": json.dumps(to_data(subject.trained.config.input)),
    }
    return said | ({"warning": REHEARSED} if subject.trained.rehearsal else {})


def _answers(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the file's probabilities: of the first image alone, then of the others together."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = [part for part in (pixels[:1], pixels[1:]) if len(part)]
    return np.concatenate([session.run(None, {"images": part})[0] for part in parts])


def _compared(subject: Subject, examples: ExampleImages, path: Path) -> Agreement:
    found, own = _answers(path, examples.pixels), subject.probabilities(examples)
    same = int((found.argmax(1) == own.argmax(1)).sum())
    difference = float(np.abs(found - own).max())
    if not difference <= TOLERANCE or same < len(own):
        raise DataError(
            f"the ONNX file answers otherwise than the run, and was not written: {same} of {len(own)} labels are the "
            f"same, probabilities differ by up to {difference:.2g} (allowed: {TOLERANCE:g})"
        )
    return Agreement(images=len(own), images_of=examples.of, same_labels=same, max_difference=difference)
