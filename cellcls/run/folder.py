"""The paths of a run folder, its making and its lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from filelock import FileLock, Timeout

from cellcls.errors import DataError, MissingInputError, UsageError, WriteError
from cellcls.ops.files import sweep, write_text


@attrs.frozen
class RunFolder:
    """Names of what lies in a run folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe, every default filled in."""
        return self.path / "recipe.toml"

    @property
    def environment(self) -> Path:
        """What equality of runs needs."""
        return self.path / "environment.json"

    @property
    def data(self) -> Path:
        """What was dropped and why, and who is in which part."""
        return self.path / "data.json"

    @property
    def history(self) -> Path:
        """A line an epoch."""
        return self.path / "history.jsonl"

    @property
    def metrics(self) -> Path:
        """Every figure."""
        return self.path / "metrics.json"

    @property
    def best(self) -> Path:
        """The best weights."""
        return self.path / "best.safetensors"

    @property
    def last(self) -> Path:
        """The weights at the end, or the last good ones."""
        return self.path / "last.safetensors"

    @property
    def state(self) -> Path:
        """What resuming needs; removed when the run is complete."""
        return self.path / "state"

    @property
    def saved(self) -> Path:
        """The saved state, as a whole; not there before the first was saved."""
        return self.state / "state.safetensors"

    @property
    def options(self) -> Path:
        """The command line's options, for resuming."""
        return self.path / "options.json"

    @property
    def train_batch(self) -> Path:
        """The first batch as the network saw it."""
        return self.path / "train_batch.npz"

    @property
    def augmented(self) -> Path:
        """A few images of each class, and draws of each; there where the recipe augments."""
        return self.path / "augmented.npz"

    @property
    def report(self) -> Path:
        """All of it on one page."""
        return self.path / "report.html"

    @property
    def complete(self) -> bool:
        """Whether the run came to its end: its figures are written last, as a whole. All else can be resumed."""
        found = read_json(self.metrics) if self.metrics.is_file() else None
        return isinstance(found, dict) and found.get("complete") is True

    def stage(self, number: int, name: str) -> Path:
        """Return where the weights at the end of a stage lie; ``number`` counts from 0."""
        return self.path / "stages" / f"{number + 1}-{name}.safetensors"

    def array(self, what: str, name: str) -> Path:
        """Return where arrays lie: ``what`` is ``predictions``, ``examples`` or ``explain``."""
        return self.path / what / f"{name}.npz"

    def children(self) -> list[RunFolder]:
        """Return the runs of the variants or seeds, where this is their parent."""
        found = sorted(self.path.glob("*/recipe.toml")) if self.path.is_dir() else []
        return [RunFolder(recipe.parent) for recipe in found]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer. Raises ``UsageError`` where another process has it."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{self.path}: another process is writing this run; wait for it or stop it") from error
        try:
            sweep(self.path)
            yield
        finally:
            lock.release()
            (self.path / ".lock").unlink(missing_ok=True)


def make_folder(path: Path) -> RunFolder:
    """Make a new run folder. One that has something in it is never overwritten: ``UsageError``."""
    refuse_folder(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path}: cannot make the folder: {error.strerror}", "choose another with --out") from error
    return RunFolder(path)


def refuse_folder(path: Path | None) -> None:
    """Raise ``UsageError`` where a folder to be made is there and has something in it, or a file is in its place."""
    if path is None:
        return
    for place in (path, *path.parents):
        if place.is_file():
            raise UsageError(f"{place}: is a file, not a folder; choose another --out")
    if path.is_dir() and any(path.iterdir()):
        raise UsageError(
            f"{path}: there is something already, and nothing is overwritten",
            "choose another --out",
            f"or, if it is a run that was stopped: cellcls run --resume {path}",
        )


def free_folder(name: str, below: Path = Path("runs")) -> Path:
    """Return ``runs/NAME-N`` with the first N that is free."""
    number = 1
    while (below / f"{name}-{number}").exists():
        number += 1
    return below / f"{name}-{number}"


def read_json(path: Path) -> Any:
    """Read a JSON file of a run. Raises ``MissingInputError`` and ``DataError``."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: not there", f"is {path.parent} a run folder?") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the lines of ``history.jsonl`` (none where it is not there)."""
    lines = path.read_text().splitlines() if path.exists() else []
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise DataError(f"{path}: a line is no JSON: {error}") from error


def write_history(path: Path, lines: list[dict[str, Any]]) -> None:
    """Write all lines of ``history.jsonl``; one epoch more or less, never half a line."""
    write_text(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
