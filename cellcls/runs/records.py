"""The records of a run folder: what its JSON files hold, as the engine writes it and everything else reads it.

One class for each file, one strict converter for all. Each file says the ``format`` it is written in; a newer one is
refused, an unknown key is an error and never dropped. What a young run lacks has a default here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from cellcls.api import BadImage, Decision, Value
from cellcls.errors import DataError
from cellcls.ops.statistics.table import ClassScore, Interval
from cellcls.ops.storage.files import JsonObject, write_json, write_text
from cellcls.ops.storage.skipped import SkippedFiles

FORMAT = 1
"""The format of every file here; it grows when a file of an older one could be misread."""
DAMAGED = "the file is damaged or was written by another version of cellcls; to repeat the run: cellcls run recipe.toml"
"""What to do about a file that cannot be read."""

_BEYOND = 2**63
"""Numbers of a run are counts, seeds and measurements, all of them smaller."""

T = TypeVar("T")


# --- metrics.json -----------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class ViewScore:
    """One view of test-time augmentation alone, compared with the image as it is."""

    accuracy: float
    fixed: int
    """Predictions that are right with this view and wrong without."""
    broken: int
    """Predictions that are wrong with this view and right without."""


@attrs.frozen(kw_only=True)
class EvaluationRecord:
    """One evaluation. In the file, metrics stand beside the other keys: ``"accuracy": 0.97, "accuracy_ci": [lo, hi]``.

    A metric is an attribute too: ``record.accuracy``.
    """

    part: str
    """``train``, ``val`` or ``test``; ``all`` for a set without parts."""
    n: int
    """Images, each counted once under however many corruptions."""
    classes: tuple[str, ...]
    values: Mapping[str, float | None] = attrs.field()
    """Each metric by its name (``ops.statistics.table``)."""
    intervals: Mapping[str, Interval] = attrs.field(factory=dict)
    """95% intervals of those that have one."""
    per_class: Mapping[str, ClassScore] = attrs.field(factory=dict)
    confusion: tuple[tuple[int, ...], ...] = attrs.field()
    """(K, K) counts: rows are the true classes, columns the predicted ones."""
    seconds_per_image: float | None = None
    """The network's own time, the median over batches."""
    unknown: int | None = None
    """Images marked unknown, counted under each condition; None if the network cannot tell."""
    views: Mapping[str, ViewScore] = attrs.field(factory=dict)
    suite: str | None = None
    """The suite of corruptions, or one corruption."""
    severities: tuple[int, ...] = ()
    seed: int | None = None
    """Of the corruption."""
    balanced_error: Mapping[str, tuple[float, ...]] = attrs.field(factory=dict)
    """By corruption: 1 - balanced accuracy at each severity."""
    by_corruption: Mapping[str, Mapping[str, tuple[float, ...]]] = attrs.field(factory=dict)
    """By metric of the probabilities and corruption: its value at each severity."""
    risk_coverage: tuple[tuple[float, float], ...] = ()
    """Shares of the images, the surest first, and the share of errors among them."""
    reliability: tuple[tuple[float, float], ...] = ()
    """Mean probability of the predicted class and accuracy, in bins of equally many images, the surest first."""
    restricted_to: tuple[str, ...] = ()
    """The classes that probabilities were restricted to, if they were: those that occur."""
    relative_balanced_error: Mapping[str, float] = attrs.field(factory=dict)
    """By corruption: the error it adds, in percent of what it adds to the published AlexNet."""

    @confusion.validator
    def _square(self, _attribute: object, value: tuple[tuple[int, ...], ...]) -> None:
        if len(value) != len(self.classes) or any(len(row) != len(self.classes) for row in value):
            raise ValueError(f"not {len(self.classes)} x {len(self.classes)}, one row and column a class")

    @values.validator
    def _measured(self, _attribute: object, value: Mapping[str, float | None]) -> None:
        if value.get("accuracy") is None:
            raise ValueError("no `accuracy`")

    @property
    def accuracy(self) -> float:
        """Share of the images whose class was named rightly; every evaluation has it."""
        return float(self.values["accuracy"] or 0.0)

    def __getattr__(self, name: str) -> float | None:
        if name.startswith("_") or name in attrs.fields_dict(EvaluationRecord) or name not in self.values:
            raise AttributeError(f"no metric `{name}` was measured")
        return self.values[name]


@attrs.frozen(kw_only=True)
class ClaimRecord:
    """A published value beside ours. ``held``: None where it was not judged."""

    place: str | None = None
    evaluation: str
    metric: str
    claim: str
    """``0.9739 ± 0.01``, ``below 0.77``."""
    measured: float | None = None
    held: bool | None = None


@attrs.frozen(kw_only=True)
class MetricsRecord:
    """``metrics.json``, written last: a run that has not come so far has no such file, and these defaults."""

    name: str = ""
    seed: int | None = None
    rehearsal: bool = False
    complete: bool = False
    parameters: int | None = None
    memory_mb: float | None = None
    """Peak memory of the process, or of the GPU."""
    stages_ended_early: Mapping[str, str] = attrs.field(factory=dict)
    """Why, by the name of the stage."""
    train_running: Mapping[str, float | None] | None = None
    """``loss`` and ``accuracy``, the running mean of the last epoch with augmentation on."""
    evaluations: Mapping[str, EvaluationRecord] = attrs.field(factory=dict)
    explanations: Mapping[str, Mapping[str, float | None]] = attrs.field(factory=dict)
    """What each ``[[explain]]`` measured, by its name."""
    claims: tuple[ClaimRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    """What was foreseen before the first step, by the numbers of recipe and data."""


# --- history.jsonl ----------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class EpochRecord:
    """A line of history. In the file, metrics stand beside the other keys under their dotted names
    (``"val.accuracy": 0.97``)."""

    stage: int
    """From 0."""
    stage_name: str
    epoch: int
    """From 0 within the stage."""
    lr: float | None = None
    """Learning rate of the last step."""
    seconds: float = 0.0
    best: bool = False
    """Whether its weights became the best so far."""
    drawn: Mapping[str, int] = attrs.field(factory=dict)
    """Samples of each class that training took."""
    copies: Mapping[str, int] = attrs.field(factory=dict)
    """How many of them were copies."""
    metrics: Mapping[str, float | None] = attrs.field(factory=dict)

    @metrics.validator
    def _measured(self, _attribute: object, value: Mapping[str, float | None]) -> None:
        for name, number in value.items():
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{name}: {number}")


# --- data.json --------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class InitRecord:
    """The weights that a run started from (``[init]``)."""

    weights: str
    """Their file."""
    hash: str
    head: bool
    """Whether the head's weights were taken too."""
    known: bool = True
    """Whether ``trained_on`` holds all images that those weights were trained on."""


@attrs.frozen(kw_only=True)
class DataRecord:
    """``data.json``: what the run was given, what was dropped and why, and which image is in which part."""

    hash: str = ""
    """Of all images with their labels and class names."""
    dataset: str = ""
    classes: tuple[str, ...] = ()
    n: int = 0
    names: tuple[str, ...] | None = None
    """File names, where the images have some."""
    decisions: tuple[Decision, ...] = ()
    bad_images: tuple[BadImage, ...] = ()
    skipped_files: tuple[SkippedFiles, ...] = ()
    """Files of its folder that are none of its images."""
    counts: Mapping[str, Mapping[str, int]] = attrs.field(factory=dict)
    """Images of each class ``before`` and ``after`` cleaning, in each part, and ``samples`` of an epoch."""
    trained_on: tuple[str, ...] | None = None
    """Content hash of each training image, those of the run it started from included; None: not recorded."""
    init: InitRecord | None = None
    parts: Mapping[str, tuple[int, ...]] = attrs.field(factory=dict)
    """Indices of the images of ``train``, ``val`` and ``test``."""


# --- explain/NAME.json ------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class DepthRecord:
    """Two networks compared at one layer."""

    layer: str
    frozen_share: float
    """Share of the backbone's parameters before the layer's block, 0..1."""
    until: str | None = None
    """The first module of that block: ``freeze = { until = ... }``."""
    similarity: float
    """Mean correlation of the two maps of an image, -1..1."""
    heat_inside: Interval
    """Share of the heat that lies inside the cell, for each network."""


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


# --- stages/I-NAME.json -----------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class StageRecord:
    """``stages/I-NAME.json``: what was frozen in a stage."""

    name: str
    frozen: tuple[str, ...]
    """Modules of the backbone."""
    trained_parameters: int
    parameters: int


# --- environment.json -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class EnvironmentRecord:
    """``environment.json``: what equality of runs needs besides recipe and data."""

    python: str = ""
    platform: str = ""
    versions: Mapping[str, str] = attrs.field(factory=dict)
    """Of the libraries that a result depends on."""
    plugins: Mapping[str, str] = attrs.field(factory=dict)
    """Version of each distribution with plugins."""
    commit: str | None = None
    """Of the checkout that cellcls runs from, if it does."""
    device: str = ""
    """``cpu``, ``cuda`` or ``mps``."""
    device_name: str = ""
    precision: str = ""
    threads: int | None = None
    processes: int | None = None


# --- sweep.jsonl ------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class TrialRecord:
    """One trial of a search."""

    trial: int
    """Its number, from 0."""
    settings: Mapping[str, Value]
    """The settings that were tried, by dotted name."""
    exit_code: int | None = None
    """How its run ended, None until it has."""
    value: float | None = None
    """The metric that is searched by, None where the run failed."""


# --- metadata of the weights ------------------------------------------------------------------------------------


def _within(low: float, high: float) -> Callable[[object, attrs.Attribute[Any], tuple[float, ...]], None]:
    """Return a validator of several numbers."""

    def refuse(_record: object, attribute: attrs.Attribute[Any], values: tuple[float, ...]) -> None:
        if not all(low <= value <= high for value in values):
            raise ValueError(f"{attribute.name}: not {low:g} to {high:g}")

    return refuse


@attrs.frozen(kw_only=True)
class TrainingImagesRecord:
    """What the training images look like, so that other images can be compared with them."""

    n: int
    """Images that this was measured on: the training part, or an evenly spaced sample of it."""
    height: tuple[float, float, float] = attrs.field(validator=_within(1, 1e9))
    """10th, 50th and 90th percentile of the height in pixels, as stored in the files."""
    width: tuple[float, float, float] = attrs.field(validator=_within(1, 1e9))
    """The same of the width."""
    mean: tuple[float, float, float] = attrs.field(validator=_within(-0.01, 1.01))
    """Mean red, green and blue of the network's input, 0..1."""
    std: tuple[float, float, float] = attrs.field(validator=_within(0, 1.01))
    """Standard deviation of the mean colours of the images, 0..1."""


@attrs.frozen(kw_only=True)
class NetworkRecord:
    """What a network is built from: the tables of its components, and the classes in the order of its logits."""

    backbone: JsonObject
    head: JsonObject
    input: JsonObject
    classes: tuple[str, ...] = attrs.field()
    requires: tuple[str, ...] = ()
    """The plugins that its recipe requires."""

    @classes.validator
    def _distinct(self, _attribute: object, value: tuple[str, ...]) -> None:
        if not value or len(set(value)) < len(value):
            raise ValueError("classes: not one name for each class")


@attrs.frozen(kw_only=True)
class WeightsRecord:
    """What a weights file holds beside the tensors: all that is needed to use them."""

    recipe: str
    recipe_hash: str
    network: NetworkRecord
    rehearsal: bool = False
    """Whether the weights come from a rehearsal and know nothing of cells."""
    training_images: TrainingImagesRecord | None = None
    temperature: float = attrs.field(default=1.0)
    """What logits are divided by."""

    @temperature.validator
    def _positive(self, _attribute: object, value: float) -> None:
        if not 0 < value < math.inf:
            raise ValueError(f"temperature {value}")


# --- reading and writing ----------------------------------------------------------------------------------------


def write(path: Path, record: object) -> None:
    """Write a record as JSON, as a whole or not at all. Raises ``WriteError``."""
    write_json(path, file_data(record))


def read(path: Path, shape: type[T]) -> T:
    """Read a record; where there is no file, its defaults. Raises ``DataError`` where it is damaged or newer."""
    return from_data(json_object(path, read_text(path)) if path.is_file() else {}, shape, path)


def write_lines(path: Path, records: Iterable[object]) -> None:
    """Write records as JSON, one a line (``history.jsonl``); one more or less, never half a line. Raises
    ``WriteError``."""
    lines = [json.dumps(file_data(record), allow_nan=False) for record in records]
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_lines(path: Path, shape: type[T]) -> tuple[T, ...]:
    """Read records, one a line; none where there is no file. Raises ``DataError``."""
    if not path.is_file():
        return ()
    lines = read_text(path).split("\n")[:-1]  # a line that is still being written has no end
    return tuple(
        from_data(json_object(f"{path}:{number}", line), shape, f"{path}:{number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def file_data(record: object) -> dict[str, object]:
    """Return a record as the JSON data of its file, with its format."""
    return {"format": FORMAT, **to_data(record)}


def to_data(record: object) -> dict[str, object]:
    """Return a record as JSON data, without its format."""
    data: dict[str, object] = _CONVERTER.unstructure(record)
    return data


def from_data(data: JsonObject, shape: type[T], place: Path | str) -> T:
    """Return JSON data as a record. ``place`` is what errors call it. Raises ``DataError``."""
    found = dict(data)
    written = found.pop("format", FORMAT)
    if not isinstance(written, int) or written > FORMAT:
        raise DataError(
            f"{place}: written in format {written}, and this cellcls reads up to {FORMAT}",
            "update cellcls: pip install --upgrade cellcls",
        )
    try:
        return _CONVERTER.structure(found, shape)
    except Exception as error:  # cattrs gathers all problems into a group of its own
        problems = cattrs.transform_error(error, format_exception=lambda problem, _wanted: _in_words(problem))
        raise DataError(f"{place}: {'; '.join(problems[:3])}", DAMAGED) from error


def read_text(path: Path) -> str:
    """Return the text of a file of a run. Raises ``DataError``."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", DAMAGED) from error


def json_object(place: Path | str, text: str) -> JsonObject:
    """Return the JSON object that a text is; ``place`` is what errors call it. Raises ``DataError``."""
    try:
        found = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}", DAMAGED) from error
    if not isinstance(found, dict):
        raise DataError(f"{place}: not a JSON object", DAMAGED)
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of a run")
    return number


def _in_words(error: BaseException) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _short(value: object) -> str:
    text = (
        repr(value) if not isinstance(value, int) or abs(value) < _BEYOND else f"a number of {value.bit_length()} bits"
    )
    return text if len(text) <= 80 else f"{text[:80]}..."


def _strict(accepted: tuple[type, ...], value: Any, wanted: type) -> Any:
    if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
        raise ValueError(f"{_short(value)} is not of type {wanted.__name__}")
    if isinstance(value, int) and not -_BEYOND < value < _BEYOND:
        raise ValueError(f"{_short(value)} is larger than any number of a run")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{_short(ascii(value))} has half of a character") from error
    return wanted(value)


def _value(accepted: tuple[type, ...], value: Any, _wanted: object) -> Value:
    if not isinstance(value, accepted):
        raise ValueError(f"{value!r} is not the value of a setting")
    return value  # type: ignore[return-value]  # one of the accepted types


def _converter() -> cattrs.Converter:
    """Return a converter that takes nothing for what it is not (by default ``bool("false")`` is true) and drops no key;
    metrics stand beside the keys of their record."""
    made = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    for wanted, accepted in ((float, (int, float)), (int, (int,)), (str, (str,)), (bool, (bool,))):
        made.register_structure_hook(wanted, partial(_strict, accepted))
    made.register_structure_hook(Value, partial(_value, get_args(Value)))
    made.register_structure_hook(Path, lambda value, _: Path(_strict((str,), value, str)))
    made.register_unstructure_hook(Path, str)
    optional: dict[str, Any] = {
        name: override(omit_if_default=True)
        for name in (
            "unknown",
            "views",
            "suite",
            "severities",
            "seed",
            "balanced_error",
            "by_corruption",
            "risk_coverage",
            "reliability",
            "restricted_to",
            "relative_balanced_error",
        )
    }
    made.register_structure_hook(
        EvaluationRecord, partial(_gathered, make_dict_structure_fn(EvaluationRecord, made), _values_and_intervals)
    )
    made.register_unstructure_hook(
        EvaluationRecord, partial(_spread, make_dict_unstructure_fn(EvaluationRecord, made, **optional))
    )
    made.register_structure_hook(EpochRecord, partial(_gathered, make_dict_structure_fn(EpochRecord, made), _dotted))
    made.register_unstructure_hook(EpochRecord, partial(_spread, make_dict_unstructure_fn(EpochRecord, made)))
    made.register_unstructure_hook(
        DataRecord,
        make_dict_unstructure_fn(DataRecord, made, init=override(omit_if_default=True)),
    )
    made.register_unstructure_hook(
        TrialRecord,
        make_dict_unstructure_fn(TrialRecord, made, exit_code=override(omit_if_default=True)),
    )
    return made


def _gathered(structure: Any, gather: Any, data: Any, shape: type[Any]) -> Any:
    """Structure a record whose metrics stand beside its keys."""
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is not an object")
    return structure(gather(data), shape)


def _values_and_intervals(data: JsonObject) -> JsonObject:
    known = set(attrs.fields_dict(EvaluationRecord)) - {"values", "intervals"}
    rest = {key: value for key, value in data.items() if key not in known}
    intervals = {key.removesuffix("_ci"): rest.pop(key) for key in list(rest) if key.endswith("_ci")}
    return {**{key: data[key] for key in known & data.keys()}, "values": rest, "intervals": intervals}


def _dotted(data: JsonObject) -> JsonObject:
    metrics = {key: value for key, value in data.items() if "." in key}
    return {**{key: value for key, value in data.items() if "." not in key}, "metrics": metrics}


def _spread(unstructure: Any, record: Any) -> JsonObject:
    data: JsonObject = unstructure(record)
    intervals = data.pop("intervals", {})
    metrics: JsonObject = data.pop("metrics", {})
    for name, value in data.pop("values", {}).items():
        metrics[name] = value
        if name in intervals:
            metrics[f"{name}_ci"] = intervals[name]
    first = {key: data.pop(key) for key in ("part", "n") if key in data}
    return first | metrics | data if first else data | metrics


_CONVERTER = _converter()
