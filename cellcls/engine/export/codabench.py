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
from typing import Any

import jinja2
import numpy as np
import torch

from cellcls.engine.evaluate import BATCH
from cellcls.engine.export.program import Printed, printed, traced
from cellcls.engine.export.subject import REHEARSED, ExampleImages, Subject
from cellcls.errors import DataError
from cellcls.ops.imaging.fitting import fit
from cellcls.ops.storage.files import replacing

IMAGES = 100
"""Number of images the submission is tried on."""
TIME_LIMIT = 600
"""Seconds the clean process may take."""

_HERE = Path(__file__).parent
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # so that equal weights make equal files


def write_codabench(subject: Subject, out: Path) -> dict[str, Any]:
    """Write the zip and return ``images``, ``images_of``, ``same_labels``, ``max_difference`` of the probabilities,
    ``load_seconds`` and ``seconds`` (of a clean process on these images)."""
    example = torch.zeros(2, 3, subject.size, subject.size)
    code = printed(traced(subject.trained.network, example))
    examples = subject.examples(IMAGES)
    with replacing(out) as temporary:
        _write_zip(temporary, _source(subject, code), code)
        said = _said(temporary, examples)
        return _compared(subject, examples, said)


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
        run=repr(subject.trained.metadata["recipe"]),
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


def _said(path: Path, examples: ExampleImages) -> dict[str, Any]:
    """Unzip into a new folder and return what ``clean_run.py`` writes there. Raises ``DataError`` where it fails."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with zipfile.ZipFile(path) as made:
            made.extractall(folder / "submission")
        np.save(folder / "images.npy", examples.pixels)
        files = [folder / "submission", folder / "images.npy", folder / "answer.json"]
        command = [sys.executable, "-I", str(_HERE / "clean_run.py"), *map(str, files)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=TIME_LIMIT, check=False)
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"the submission took longer than {TIME_LIMIT} s on {len(examples.pixels)} images"
            ) from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise DataError(f"the submission fails in a clean process, and was not written: {reason}")
        answer: dict[str, Any] = json.loads((folder / "answer.json").read_text())
        return answer


def _compared(subject: Subject, examples: ExampleImages, said: dict[str, Any]) -> dict[str, Any]:
    own = subject.probabilities(examples)
    labels = own.argmax(1)
    same = int((np.array(said["labels"]) == labels).sum())
    difference = float(np.abs(np.array(said["probabilities"]) - own).max())
    formed = said["dtype"] == "int64" and said["none"] == [0] and said["alone"] == said["labels"][:1]
    if same < len(labels) or not formed:
        raise DataError(
            f"the submission answers otherwise than the run, and was not written: {same} of {len(labels)} labels are "
            f"the same, probabilities differ by up to {difference:.2g}"
        )
    return {
        "images": len(labels),
        "images_of": examples.of,
        "same_labels": same,
        "max_difference": difference,
        "load_seconds": round(said["load_seconds"], 3),
        "seconds": round(said["seconds"], 3),
    }
