"""The paths of a run folder, its making and its lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
from filelock import FileLock, Timeout

from cellcls.errors import UsageError, WriteError
from cellcls.ops.storage.files import is_temporary, sweep


@attrs.frozen
class RunFolder:
    """Names of what lies in a run folder."""

    path: Path
    begun: bool = attrs.field(default=False, eq=False)
    """Whether this call wrote the first file in it. Only then may what it wrote be discarded."""
    made: bool = attrs.field(default=False, eq=False)
    """Whether this call made the folder too: one that was there before, empty, stays."""

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
    def plan(self) -> Path:
        """The runs of a call and what is expected of them."""
        return self.path / "runs.json"

    @property
    def is_run(self) -> bool:
        """Whether a run was planned here: its options are written first, then its recipe. A folder of somebody's with
        a recipe in it is none."""
        return self.recipe.is_file() and self.options.is_file()

    @property
    def complete(self) -> bool:
        """Whether the run came to its end: its metrics are written last, as a whole. All else can be resumed."""
        from cellcls.runs.records import MetricsRecord, read  # cattrs takes a while to import

        return read(self.metrics, MetricsRecord).complete

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

    def discard(self) -> None:
        """Remove the files of a run that came to nothing, if this call began it and nothing was trained yet.

        What others laid into the folder stays, and the folder with it.
        """
        if not self.begun or self.best.exists() or self.saved.exists():
            return
        for child in self.children():
            attrs.evolve(child, begun=True, made=True).discard()
        sweep(self.path)
        for file in (
            *(self.recipe, self.options, self.environment, self.data, self.history, self.plan),
            *(self.train_batch, self.augmented, self.last),
            *self.path.glob("stages/*.json"),
        ):
            _remove(file)
        for folder in (self.state, self.path / "stages", *((self.path,) if self.made else ())):
            _remove_empty(folder)

    def remove_state(self) -> None:
        """Remove the saved state of a run that is complete."""
        _remove(self.saved)
        sweep(self.state)
        _remove_empty(self.state)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer. Raises ``UsageError`` where another process has it."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{self.path}: another process is writing this run; wait for it or stop it") from error
        except OSError as error:
            raise WriteError(
                f"{self.path}: cannot write here: {error.strerror or error}", "copy the run to where you may write"
            ) from error
        try:
            sweep(self.path)
            yield
        finally:
            lock.release()
            _remove(self.path / ".lock")


def _remove(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def make_folder(path: Path, *, half_planned: bool = False) -> RunFolder:
    """Make a new run folder. One that has something in it is never overwritten: ``UsageError``.

    ``half_planned``: it may hold the options of a run that was killed while it was planned.
    """
    refuse_folder(path, half_planned=half_planned)
    made = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path}: cannot make the folder: {error.strerror}", "choose another with --out") from error
    return RunFolder(path, begun=True, made=made)


def refuse_recipe(path: Path) -> None:
    """Raise ``UsageError`` if ``path``, given as a run, is a recipe."""
    if path.suffix == ".toml" and path.is_file():
        raise UsageError(f"{path}: a recipe, not a run", f"name its run folder, which this creates: cellcls run {path}")


def refuse_folder(path: Path | None, *, half_planned: bool = False) -> None:
    """Raise ``UsageError`` where a folder to be made is there and has something in it, or a file is in its place."""
    if path is None:
        return
    for place in (path, *path.parents):
        if place.is_file():
            raise UsageError(f"{place}: is a file, not a folder; choose another --out")
    left = {RunFolder(path).options.name} if half_planned else set()
    if path.is_dir() and any(entry.name not in left and not (left and is_temporary(entry)) for entry in path.iterdir()):
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
