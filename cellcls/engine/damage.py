"""What can still be done with a run, one of whose files is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cellcls.errors import DataError
from cellcls.ops.storage.tensor_files import DamagedError, open_tensors
from cellcls.runs.folder import RunFolder


@contextmanager
def ways_out_told(file: Path) -> Iterator[None]:
    """Add to the error of a damaged weights file or state what can still be done."""
    try:
        yield
    except DamagedError as error:
        raise DamagedError(error.message, *error.hints, *_ways_out(file)) from error


def refuse_damaged_weights(folder: RunFolder) -> None:
    """Raise ``DamagedError`` if weights that a run has written are damaged."""
    for file in _weights(folder):
        with ways_out_told(file):
            open_tensors(file).read()


def _ways_out(file: Path) -> Iterator[str]:
    run = next((run for run in map(RunFolder, (file.parent, file.parent.parent)) if run.is_run), None)
    if run is None:
        yield "copy or download the file again"
        return
    whole = [str(other) for other in _weights(run) if other != file and _is_whole(other)]
    if whole:
        yield f"whole weights of this run, to evaluate or to start from ([init] from): {', '.join(whole)}"
    yield f"or start it anew: cellcls run {run.recipe} --out ANOTHER"


def _weights(run: RunFolder) -> list[Path]:
    candidates = (run.best, run.last, *sorted((run.path / "stages").glob("*.safetensors")))
    return [file for file in candidates if file.is_file()]


def _is_whole(file: Path) -> bool:
    try:
        open_tensors(file).read()
    except DataError:
        return False
    return True
