"""Taking a run's best weights out of cellcls: each export is run and compared with the run before its file counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import attrs
import torch

from cellcls.engine.export.codabench import Limits as Limits
from cellcls.engine.export.codabench import write_codabench
from cellcls.engine.export.hub import write_hub
from cellcls.engine.export.onnx import write_onnx
from cellcls.engine.export.subject import Agreement, Subject
from cellcls.engine.network import load_network
from cellcls.errors import MissingInputError, UsageError
from cellcls.registry import Registry
from cellcls.runs.folder import refuse_recipe

Format = Literal["codabench", "onnx", "hub"]

_WRITERS: Mapping[Format, Callable[[Subject, Path], Agreement]] = {"onnx": write_onnx, "hub": write_hub}


@attrs.frozen(kw_only=True)
class Export:
    """A run's best weights in another format, compared with the run."""

    format: Format
    run: Path
    out: Path
    bytes: int
    rehearsal: bool
    """Whether the weights are from a rehearsal, so that they know nothing of real cells."""
    complete: bool
    """Whether the run came to its end."""
    agreement: Agreement

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data, the agreement beside the rest."""
        own = {**attrs.asdict(self, recurse=False), "run": str(self.run), "out": str(self.out)}
        measured = attrs.asdict(own.pop("agreement"))
        return own | {name: value for name, value in measured.items() if value is not None}


def export_run(run: Path, to: Format, out: Path, registry: Registry, limits: Limits | None = None) -> Export:
    """Write the best weights of ``run`` to ``out``, a new file (``hub``: a new folder); ``codabench`` has ``limits``.

    Raises ``UsageError`` where ``out`` is taken or the format does not fit the network or has no limits,
    ``MissingPluginError`` without the extra ``export``, ``DataError`` where what was written answers otherwise than the
    run or is beyond a limit; then nothing is left.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(f"{out}: is there already, and is not overwritten", "choose another --out")
    if limits is not None and to != "codabench":
        raise UsageError(f"the format {to} has no limits of time and size", "only codabench has: it makes a submission")
    refuse_recipe(run)
    if not run.is_dir():
        raise MissingInputError(f"{run}: no run folder", "an export needs the run's metrics and data record too")
    subject = Subject(run=run, trained=load_network(run, registry), registry=registry)
    with torch.no_grad():
        if to == "codabench":
            agreement = write_codabench(subject, out, limits or Limits())
        else:
            agreement = _WRITERS[to](subject, out)
    files = [out] if out.is_file() else [file for file in out.iterdir() if file.is_file()]
    return Export(
        format=to,
        run=run,
        out=out,
        bytes=sum(file.stat().st_size for file in files),
        rehearsal=subject.trained.rehearsal,
        complete=subject.complete,
        agreement=agreement,
    )
