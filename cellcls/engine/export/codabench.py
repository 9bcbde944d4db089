"""A submission for Codabench: a flat zip of ``model.py`` and ``weights.npz``, tried in a clean process."""

from __future__ import annotations

import inspect
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
import jinja2
import numpy as np
import torch

from cellcls.engine.evaluate import BATCH
from cellcls.engine.export.program import Printed, printed, traced
from cellcls.engine.export.subject import REHEARSED, Agreement, ExampleImages, Subject
from cellcls.errors import DataError
from cellcls.ops.imaging.fitting import fit
from cellcls.ops.storage.files import replacing

IMAGES = 100
"""Number of images the submission is tried on."""
TIME_LIMIT = 600.0
"""Seconds the clean process may take, if nothing else is said."""

_HERE = Path(__file__).parent
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # so that equal weights make equal files


@attrs.frozen(kw_only=True)
class Limits:
    """What a challenge allows a submission."""

    seconds: float = TIME_LIMIT
    """For loading and predicting ``IMAGES`` images in a clean process."""
    megabytes: float | None = None
    """Of the zip, in 10^6 bytes."""


def write_codabench(subject: Subject, out: Path, limits: Limits) -> Agreement:
    """Write the zip; return how it agrees with the run. Raises ``DataError`` where it does not, and beyond a limit."""
    example = torch.zeros(2, 3, subject.size, subject.size)
    code = printed(traced(subject.trained.network, example))
    examples = subject.examples(IMAGES)
    with replacing(out) as temporary:
        _write_zip(temporary, _source(subject, code), code)
        size = temporary.stat().st_size / 1e6
        if limits.megabytes is not None and size > limits.megabytes:
            raise DataError(
                f"the submission has {size:.2f} MB, more than the {limits.megabytes:g} MB allowed, and was not written",
                "raise --max-size if the challenge allows it, or train a smaller network",
            )
        return _compared(subject, examples, _answer(temporary, examples, limits.seconds))


def _source(subject: Subject, code: Printed) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=False,  # Python code: what is not ours comes as a literal
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    how = subject.trained.config.input
    return environment.get_template("model.py.j2").render(
        run=repr(subject.trained.record.recipe),
        warning=REHEARSED if subject.trained.rehearsal else None,
        classes=repr(subject.classes),
        count=len(subject.classes),
        size=how.size,
        fit=inspect.getsource(fit),
        settings=", ".join(map(repr, (how.interpolation, how.fit, how.center_crop))),
        batch=BATCH,
        weights=list(code.weights),
        body=code.body,
    )


def _write_zip(path: Path, source: str, code: Printed) -> None:
    arrays = io.BytesIO()
    np.savez(arrays, **code.weights)  # type: ignore[arg-type]  # no weight is called allow_pickle
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in (("model.py", source.encode()), ("weights.npz", arrays.getvalue())):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            made.writestr(entry, content)


@attrs.frozen(kw_only=True)
class _Answer:
    """What ``clean_run.py`` writes."""

    labels: list[int]
    dtype: str
    """Of the labels."""
    alone: list[int]
    """The label of the first image, predicted alone."""
    none: list[int]
    """The shape of the labels of no image."""
    probabilities: list[list[float]]
    load_seconds: float
    seconds: float


def _answer(path: Path, examples: ExampleImages, seconds: float) -> _Answer:
    """Unzip into a new folder and return what ``clean_run.py`` writes there. Raises ``DataError`` where it fails."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(path) as made:
            made.extractall(folder / "submission")
        np.save(folder / "images.npy", examples.pixels)
        files = [folder / "submission", folder / "images.npy", folder / "answer.json"]
        command = [sys.executable, "-I", str(_HERE / "clean_run.py"), *map(str, files)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"the submission took longer than {seconds:g} s on {len(examples.pixels)} images, and was not written",
                "raise --time-limit if the challenge allows it, or train a smaller network",
            ) from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise DataError(f"the submission fails in a clean process, and was not written: {reason}")
        return _Answer(**json.loads((folder / "answer.json").read_text()))


def _compared(subject: Subject, examples: ExampleImages, answer: _Answer) -> Agreement:
    own = subject.probabilities(examples)
    labels = own.argmax(1)
    same = int((np.array(answer.labels) == labels).sum())
    difference = float(np.abs(np.array(answer.probabilities) - own).max())
    formed = answer.dtype == "int64" and answer.none == [0] and answer.alone == answer.labels[:1]
    if same < len(labels) or not formed:
        raise DataError(
            f"the submission answers otherwise than the run, and was not written: {same} of {len(labels)} labels are "
            f"the same, probabilities differ by up to {difference:.2g}"
        )
    return Agreement(
        images=len(labels),
        images_of=examples.of,
        same_labels=same,
        max_difference=difference,
        load_seconds=round(answer.load_seconds, 3),
        seconds=round(answer.seconds, 3),
    )
