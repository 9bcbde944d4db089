"""What the machine and the person say beside the recipe: where data and weights are, which device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from cellcls.api import WeightPlaces
from cellcls.ops.storage.files import write_json
from cellcls.runs.folder import RunFolder, read_json


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

    def to_data(self) -> dict[str, Any]:
        """Return the options as JSON data, paths made absolute."""
        data = attrs.asdict(self)
        return {key: str(value.resolve()) if isinstance(value, Path) else value for key, value in data.items()}

    def changed_by(self, given: Options) -> Options:
        """Return these options, but for what is said in ``given``."""
        said = {key: value for key, value in attrs.asdict(given).items() if value not in (None, False)}
        return attrs.evolve(self, **said)

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Options:
        """Return the options that ``to_data`` gave."""
        paths = {key: Path(data[key]) if data.get(key) else None for key in ("data", "weights")}
        return cls(**{**data, **paths})


def write_options(folder: RunFolder, options: Options) -> None:
    """Keep the command line's options for resuming."""
    write_json(folder.options, options.to_data())


def kept_options(folder: RunFolder, now: Options) -> Options:
    """Return the options a run was started with, but for those given ``now``."""
    kept = Options.from_data(read_json(folder.options)) if folder.options.exists() else Options()
    return kept.changed_by(now)
