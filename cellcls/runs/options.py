"""What the machine and the person say beside the recipe: where data and weights are, which device."""

from __future__ import annotations

from pathlib import Path

import attrs

from cellcls.api import WeightPlaces
from cellcls.runs.folder import RunFolder


@attrs.frozen(kw_only=True)
class Options:
    """Settings of the machine, never part of a recipe."""

    data: Path | None = None
    device: str | None = None
    threads: int | None = None
    offline: bool = False
    weights: Path | None = None
    rehearse: bool = False

    @property
    def weight_places(self) -> WeightPlaces:
        """Where pretrained weights may come from."""
        return WeightPlaces(directory=self.weights, offline=self.offline)

    def absolute(self) -> Options:
        """Return the options with absolute paths."""
        paths = {key: path.resolve() for key in ("data", "weights") if (path := getattr(self, key)) is not None}
        return attrs.evolve(self, **paths)

    def changed_by(self, given: Options) -> Options:
        """Return these options, but for what is said in ``given``."""
        said = {key: value for key, value in attrs.asdict(given).items() if value not in (None, False)}
        return attrs.evolve(self, **said)


def write_options(folder: RunFolder, options: Options) -> None:
    """Keep the command line's options for resuming."""
    from cellcls.runs.records import write  # a listing of commands needs no records

    write(folder.options, options.absolute())


def kept_options(folder: RunFolder, now: Options) -> Options:
    """Return the options a run was started with, but for those given ``now``."""
    from cellcls.runs.records import read

    return read(folder.options, Options).changed_by(now)
