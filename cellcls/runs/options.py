"""Options that are not part of a recipe: the places of data and weights, the device."""

from __future__ import annotations

from pathlib import Path

import attrs

from cellcls.api import WeightPlaces
from cellcls.errors import UsageError
from cellcls.ops.processes.cores import MOST_THREADS
from cellcls.runs.folder import RunFolder


@attrs.frozen(kw_only=True)
class Options:
    """Options of the machine, never part of a recipe."""

    data: Path | None = None
    device: str | None = None
    threads: int | None = attrs.field(default=None)
    offline: bool = False
    weights: Path | None = None
    rehearse: bool = False

    @threads.validator
    def _some(self, _attribute: object, value: int | None) -> None:
        if value is not None and not 1 <= value <= MOST_THREADS:
            raise UsageError(f"threads: not 1 to {MOST_THREADS}: {value}")

    @property
    def weight_places(self) -> WeightPlaces:
        """Where pretrained weights may come from."""
        return WeightPlaces(directory=self.weights, offline=self.offline)

    def absolute(self) -> Options:
        """Return the options with absolute paths."""
        paths = {key: path.resolve() for key in ("data", "weights") if (path := getattr(self, key)) is not None}
        return attrs.evolve(self, **paths)

    def changed_by(self, given: Options) -> Options:
        """Return these options, updated with those set in ``given``."""
        changes = {key: value for key, value in attrs.asdict(given).items() if value not in (None, False)}
        return attrs.evolve(self, **changes)


def write_options(folder: RunFolder, options: Options) -> None:
    """Save the options of the command line for resuming."""
    from cellcls.runs.records import write  # not needed by most commands

    write(folder.options, options.absolute())


def kept_options(folder: RunFolder, now: Options) -> Options:
    """Return the options that a run was started with, updated with those given ``now``."""
    from cellcls.runs.records import read

    return read(folder.options, Options).changed_by(now)
