"""Reads a run folder into one record; its files are those of ``cellcls.runs``. What a young run lacks is empty here."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cattrs
import tomli

from cellcls.errors import DataError, MissingInputError
from cellcls.report.pictures import MapPairs, Pictures, read_map_pairs, read_pictures

Interval = tuple[float, float]
T = TypeVar("T")

_DAMAGED = (
    "the file is damaged or was written by another version of cellcls; `cellcls run` on its recipe.toml repeats it"
)


@attrs.frozen(kw_only=True)
class ClassScore:
    """How one class fared; shares in 0..1, None where no image decides it."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int = 0
    recall_ci: Interval | None = None


@attrs.frozen(kw_only=True)
class Evaluation:
    """One evaluation; shares in 0..1, 95% intervals. ``confusion`` (K, K): rows are the given classes."""

    part: str
    n: int
    classes: tuple[str, ...]
    accuracy: float
    accuracy_ci: Interval | None = None
    balanced_accuracy: float | None = None
    balanced_accuracy_ci: Interval | None = None
    macro_f1: float | None = None
    macro_f1_ci: Interval | None = None
    loss: float | None = None
    seconds_per_image: float | None = None
    per_class: Mapping[str, ClassScore] = attrs.field(factory=dict)
    confusion: tuple[tuple[int, ...], ...] = attrs.field()
    views: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    """By view of test-time augmentation: ``accuracy``, and how many predictions it ``fixed`` and ``broken``."""
    severities: tuple[int, ...] = ()
    balanced_error: Mapping[str, tuple[float, ...]] = attrs.field(factory=dict)
    """By corruption: 1 - balanced accuracy at each severity."""
    relative_balanced_error: Mapping[str, float] = attrs.field(factory=dict)
    """By corruption: the error it adds, in percent of what it adds to the published AlexNet."""

    @confusion.validator
    def _square(self, _attribute: object, value: tuple[tuple[int, ...], ...]) -> None:
        if len(value) != len(self.classes) or any(len(row) != len(self.classes) for row in value):
            raise ValueError(f"not {len(self.classes)} x {len(self.classes)}, one row and column a class")


@attrs.frozen(kw_only=True)
class Claim:
    """A published figure beside ours. ``held``: None where it was not judged."""

    place: str = ""
    evaluation: str
    metric: str
    claim: str
    measured: float | None = None
    held: bool | None = None


@attrs.frozen(kw_only=True)
class Epoch:
    """A line of history. ``figures`` by dotted name (``val.accuracy``); ``epoch`` counts from 0 within the stage;
    ``drawn``: samples of each class that training took, ``copies``: how many of them were copies."""

    stage: int
    stage_name: str
    epoch: int
    lr: float | None = None
    seconds: float = 0.0
    best: bool = False
    drawn: Mapping[str, int] = attrs.field(factory=dict)
    copies: Mapping[str, int] = attrs.field(factory=dict)
    figures: Mapping[str, float | None] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Dropped:
    """An image that a cleaner dropped."""

    index: int
    hash: str = ""
    rule: str
    reason: str


@attrs.frozen(kw_only=True)
class Unreadable:
    """An image that was listed and skipped because it could not be read."""

    name: str
    reason: str


@attrs.frozen(kw_only=True)
class DataRecord:
    """What the run was given. ``counts``: images of each class ``before`` and ``after`` cleaning and in each part."""

    hash: str = ""
    dataset: str = ""
    classes: tuple[str, ...] = ()
    n: int = 0
    names: tuple[str, ...] | None = None
    decisions: tuple[Dropped, ...] = ()
    bad_images: tuple[Unreadable, ...] = ()
    counts: Mapping[str, Mapping[str, int]] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class DepthRecord:
    """Two networks compared at one layer."""

    layer: str
    frozen_share: float
    similarity: float
    heat_inside: Interval


@attrs.frozen(kw_only=True)
class DepthsRecord:
    """``explain/NAME.json``: two networks compared depth by depth. ``advised``: the first layer where they part;
    ``lasting``: the first from which on they stay apart; each with the share of the parameters before it."""

    names: tuple[str, str]
    same_above: float
    advised: str | None = None
    frozen_share: float
    freeze: str
    """The advice as a recipe says it: ``{ until = "blocks.5.7" }``."""
    lasting: str | None = None
    frozen_share_lasting: float
    cell_area: float
    depths: tuple[DepthRecord, ...]


@attrs.frozen(kw_only=True)
class Metrics:
    """``metrics.json``; a run that has not come so far has no such file, and these defaults."""

    name: str = ""
    seed: int | None = None
    rehearsal: bool = False
    complete: bool = False
    parameters: int | None = None
    memory_mb: float | None = None
    train_running: Mapping[str, float | None] | None = None
    evaluations: Mapping[str, Evaluation] = attrs.field(factory=dict)
    explanations: Mapping[str, Mapping[str, float | None]] = attrs.field(factory=dict)
    claims: tuple[Claim, ...] = ()


@attrs.frozen(kw_only=True)
class RunRecord:
    """All that a report says about a run."""

    folder: Path
    recipe: str
    """The filled recipe's text."""
    metrics: Metrics
    data: DataRecord
    history: tuple[Epoch, ...]
    environment: Mapping[str, Any]
    examples: Mapping[str, Pictures]
    """Wrong predictions of the highest confidence, by evaluation."""
    explained: Mapping[str, Pictures]
    """Heat maps, by explanation."""
    train_batch: Pictures | None
    augmented: Pictures | None = None
    """Images of each class and draws of them."""
    depths: Mapping[str, DepthsRecord] = attrs.field(factory=dict)
    """Comparisons of two stages, by explanation."""
    map_pairs: Mapping[str, MapPairs] = attrs.field(factory=dict)
    """Some of the heat maps they rest on."""

    @property
    def name(self) -> str:
        """What the recipe is called."""
        return self.metrics.name or self.folder.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes in the order of the labels; empty while they are unknown."""
        return self.data.classes or next((shown.classes for shown in self.metrics.evaluations.values()), ())

    @property
    def settings(self) -> Mapping[str, Any]:
        """The filled recipe as data. Raises ``DataError`` where it is damaged."""
        return _toml(self.folder / "recipe.toml", self.recipe)

    def headline(self) -> tuple[str, Evaluation] | None:
        """Return the evaluation that speaks for the run: ``test``, else one on the test part, else the first."""
        found = self.metrics.evaluations
        if not found:
            return None
        on_test = [name for name, shown in found.items() if shown.part == "test" and not name.startswith("remote")]
        name = "test" if "test" in found else (on_test or list(found))[0]
        return name, found[name]


def read_run(folder: Path) -> RunRecord:
    """Read a run folder, finished or not.

    Raises ``MissingInputError`` when it is no run folder, ``DataError`` when one of its files is damaged.
    """
    recipe = folder / "recipe.toml"
    if not recipe.is_file():
        raise _no_run(folder)
    text = _text(recipe)
    depths = {path.stem: _record(path, DepthsRecord) for path in sorted((folder / "explain").glob("*.json"))}
    metrics = _record(folder / "metrics.json", Metrics)
    if not metrics.name:
        metrics = attrs.evolve(metrics, name=str(_toml(recipe, text).get("name", "")))
    return RunRecord(
        folder=folder,
        recipe=text,
        metrics=metrics,
        data=_record(folder / "data.json", DataRecord),
        history=_history(folder / "history.jsonl"),
        environment=_json(folder / "environment.json"),
        examples=_pictures(folder / "examples"),
        explained=_pictures(folder / "explain", other=depths),
        train_batch=read_pictures(folder / "train_batch.npz"),
        augmented=read_pictures(folder / "augmented.npz"),
        depths=depths,
        map_pairs=_map_pairs(folder / "explain", depths),
    )


def evaluation_of(answer: Mapping[str, Any]) -> Evaluation:
    """Return figures that are in no run folder as an evaluation. Raises ``DataError``."""
    return _structure("the figures", dict(answer), Evaluation)


def depths_of(record: Mapping[str, Any]) -> DepthsRecord:
    """Return a comparison that is in no run folder. Raises ``DataError``."""
    return _structure("the comparison", dict(record), DepthsRecord)


def _no_run(folder: Path) -> MissingInputError:
    if not folder.is_dir():
        return MissingInputError(f"{folder}: there is no such run folder", "`cellcls run RECIPE` makes one")
    inside = sorted(found.parent.name for found in folder.glob("*/recipe.toml"))
    hint = f"it holds runs, name one of them: {', '.join(inside[:8])}" if inside else "`cellcls run RECIPE` makes one"
    return MissingInputError(f"{folder}: not a run folder, it has no recipe.toml", hint)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", _DAMAGED) from error


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"{path}: not TOML: {error}", _DAMAGED) from error


def _json(path: Path) -> dict[str, Any]:
    return _object(path, _text(path)) if path.is_file() else {}


def _object(place: Path | str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}", _DAMAGED) from error
    if not isinstance(found, dict):
        raise DataError(f"{place}: not a JSON object", _DAMAGED)
    return found


def _history(path: Path) -> tuple[Epoch, ...]:
    if not path.is_file():
        return ()
    lines = _text(path).split("\n")[:-1]  # a line still being written has no end yet
    return tuple(_epoch(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip())


def _epoch(place: str, line: str) -> Epoch:
    found = _object(place, line)
    figures = {key: found.pop(key) for key in list(found) if "." in key}
    return _structure(place, {**found, "figures": figures}, Epoch)


def _record(path: Path, shape: type[T]) -> T:
    return _structure(path, _json(path), shape)


def _pictures(folder: Path, *, other: Container[str] = ()) -> dict[str, Pictures]:
    """Read the images of a folder but for those of ``other``."""
    read = {path.stem: read_pictures(path) for path in sorted(folder.glob("*.npz")) if path.stem not in other}
    return {name: pictures for name, pictures in read.items() if pictures is not None}


def _map_pairs(folder: Path, depths: Mapping[str, DepthsRecord]) -> dict[str, MapPairs]:
    """Read the maps beside the comparisons ``depths``."""
    read = {name: read_map_pairs(folder / f"{name}.npz") for name in depths}
    found = {name: pairs for name, pairs in read.items() if pairs is not None}
    for name, pairs in found.items():
        strange = set(pairs.layers) - {one.layer for one in depths[name].depths}
        if strange:
            problem = f"it has maps of layers that were not compared: {', '.join(sorted(strange))}"
            raise DataError(f"{folder / name}.npz: {problem}", _DAMAGED)
    return found


def _structure(place: Path | str, value: dict[str, Any], shape: type[T]) -> T:
    try:
        return _converter().structure(value, shape)
    except Exception as error:  # cattrs gathers all problems into a group of its own
        problems = cattrs.transform_error(error, format_exception=lambda problem, _wanted: _in_words(problem))
        raise DataError(f"{place}: {'; '.join(problems[:3])}", _DAMAGED) from error


def _in_words(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no {error}"
    return str(error)


def _converter() -> cattrs.Converter:
    """Return a converter that takes nothing for what it is not: by default ``bool("false")`` is true."""
    converter = cattrs.Converter()
    for wanted, accepted in ((float, (int, float)), (int, (int,)), (str, (str,)), (bool, (bool,))):
        converter.register_structure_hook(wanted, partial(_strict, accepted))
    return converter


def _strict(accepted: tuple[type, ...], value: Any, wanted: type) -> Any:
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        raise ValueError(f"{value!r} is not of type {wanted.__name__}")
    return wanted(value)
