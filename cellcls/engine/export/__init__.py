"""Taking a run's best weights out of cellcls: each export is run and compared with the run before its file counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch

from cellcls.engine.export.codabench import write_codabench
from cellcls.engine.export.hub import write_hub
from cellcls.engine.export.onnx import write_onnx
from cellcls.engine.export.subject import Subject
from cellcls.engine.network import load_network
from cellcls.errors import MissingInputError, UsageError
from cellcls.registry import Registry

Format = Literal["codabench", "onnx", "hub"]

_WRITERS: Mapping[Format, Callable[[Subject, Path], dict[str, Any]]] = {
    "codabench": write_codabench,
    "onnx": write_onnx,
    "hub": write_hub,
}


def export_run(run: Path, to: Format, out: Path, registry: Registry) -> dict[str, Any]:
    """Write the best weights of ``run`` to ``out``, a new file (``hub``: a new folder), and return what was measured.

    ``format``, ``out``, ``bytes``, ``rehearsal``, ``complete`` and what the format's own ``write_...`` tells. Raises
    ``UsageError`` where ``out`` is taken or the format does not fit the network, ``MissingPluginError`` without the
    extra ``export``, ``DataError`` where what was written answers otherwise than the run; then nothing is left.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out}: is there already, and is not overwritten", "choose another --out")
    if not run.is_dir():
        raise MissingInputError(f"{run}: no run folder", "an export needs the run's figures and data record too")
    subject = Subject(run=run, trained=load_network(run, registry), registry=registry)
    with torch.no_grad():
        told = _WRITERS[to](subject, out)
    files = [out] if out.is_file() else [file for file in out.iterdir() if file.is_file()]
    return {
        "format": to,
        "run": str(run),
        "out": str(out),
        "bytes": sum(file.stat().st_size for file in files),
        "rehearsal": subject.trained.rehearsal,
        "complete": subject.complete,
        **told,
    }
