"""Reads a run folder (see ``cellcls.runs``) into one record. What an unfinished run lacks yet is empty here."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

import attrs
import tomli

from cellcls.errors import DataError, MissingInputError
from cellcls.recipe.backslashes import advice_on
from cellcls.recipe.scan import TomlTable
from cellcls.report.pictures import MapPairs, Pictures, read_map_pairs, read_pictures
from cellcls.runs.folder import refuse_recipe
from cellcls.runs.records import (
    DAMAGED,
    DataRecord,
    DepthsRecord,
    EnvironmentRecord,
    EpochRecord,
    EvaluationRecord,
    MetricsRecord,
    read,
    read_lines,
    read_text,
)


@attrs.frozen(kw_only=True)
class RunRecord:
    """Everything that a report shows about a run."""

    folder: Path
    recipe: str
    """The text of the filled recipe."""
    metrics: MetricsRecord
    data: DataRecord
    history: tuple[EpochRecord, ...]
    environment: EnvironmentRecord | None
    examples: Mapping[str, Pictures]
    """The wrong predictions with the highest confidence, by evaluation."""
    explained: Mapping[str, Pictures]
    """Heat maps, by explanation."""
    train_batch: Pictures | None
    augmented: Pictures | None = None
    """Images of each class, and augmented draws of them."""
    depths: Mapping[str, DepthsRecord] = attrs.field(factory=dict)
    """Comparisons of two stages, by explanation."""
    map_pairs: Mapping[str, MapPairs] = attrs.field(factory=dict)
    """Some of the heat maps that these comparisons are based on."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.metrics.name or self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in the order of the labels; empty while they are unknown."""
        return self.data.classes or next((shown.classes for shown in self.metrics.evaluations.values()), ())

    @property
    def settings(self) -> TomlTable:
        """The filled recipe as a dict. Raises ``DataError`` if it is damaged."""
        return _toml(self.folder / "recipe.toml", self.recipe)

    def headline(self) -> tuple[str, EvaluationRecord] | None:
        """Return the main evaluation of the run: ``test``, else one on the test part, else the first."""
        found = self.metrics.evaluations
        if not found:
            return None
        on_test = [name for name, shown in found.items() if shown.part == "test" and not name.startswith("remote")]
        name = "test" if "test" in found else (on_test or list(found))[0]
        return name, found[name]


def read_run(folder: Path) -> RunRecord:
    """Read a run folder, finished or not.

    Raises ``MissingInputError`` if it is not a run folder, ``DataError`` if one of its files is damaged.
    """
    refuse_recipe(folder)
    recipe = folder / "recipe.toml"
    if not recipe.is_file():
        raise _no_run(folder)
    text = read_text(recipe)
    depths = {path.stem: read(path, DepthsRecord) for path in sorted((folder / "explain").glob("*.json"))}
    metrics = read(folder / "metrics.json", MetricsRecord)
    if not metrics.name:
        metrics = attrs.evolve(metrics, name=str(_toml(recipe, text).get("name", "")))
    return RunRecord(
        folder=folder,
        recipe=text,
        metrics=metrics,
        data=read(folder / "data.json", DataRecord),
        history=read_lines(folder / "history.jsonl", EpochRecord),
        environment=_environment(folder / "environment.json"),
        examples=_pictures(folder / "examples"),
        explained=_pictures(folder / "explain", other=depths),
        train_batch=read_pictures(folder / "train_batch.npz"),
        augmented=read_pictures(folder / "augmented.npz"),
        depths=depths,
        map_pairs=_map_pairs(folder / "explain", depths),
    )


def _no_run(folder: Path) -> MissingInputError:
    if not folder.is_dir():
        return MissingInputError(f"{folder}: no such run folder", "`cellcls run RECIPE` creates one")
    inside = sorted(found.parent.name for found in folder.glob("*/recipe.toml"))
    hint = f"it contains runs; give one: {', '.join(inside[:8])}" if inside else "`cellcls run RECIPE` creates one"
    return MissingInputError(f"{folder}: not a run folder: it has no recipe.toml", hint)


def _toml(path: Path, text: str) -> TomlTable:
    try:
        return tomli.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a plain ValueError
        line = text.split("\n")[error.lineno - 1] if isinstance(error, tomli.TOMLDecodeError) else ""
        raise DataError(f"{path}: not TOML: {error}", advice_on(str(error), line) or DAMAGED) from error


def _environment(path: Path) -> EnvironmentRecord | None:
    return read(path, EnvironmentRecord) if path.is_file() else None


def _pictures(folder: Path, *, other: Container[str] = ()) -> dict[str, Pictures]:
    """Read the images in a folder, except for those in ``other``."""
    read = {path.stem: read_pictures(path) for path in sorted(folder.glob("*.npz")) if path.stem not in other}
    return {name: pictures for name, pictures in read.items() if pictures is not None}


def _map_pairs(folder: Path, depths: Mapping[str, DepthsRecord]) -> dict[str, MapPairs]:
    """Read the maps that belong to the comparisons ``depths``."""
    read = {name: read_map_pairs(folder / f"{name}.npz") for name in depths}
    found = {name: pairs for name, pairs in read.items() if pairs is not None}
    for name, pairs in found.items():
        strange = set(pairs.layers) - {depth.layer for depth in depths[name].depths}
        if strange:
            problem = f"contains maps of layers that were not compared: {', '.join(sorted(strange))}"
            raise DataError(f"{folder / name}.npz: {problem}", DAMAGED)
    return found
