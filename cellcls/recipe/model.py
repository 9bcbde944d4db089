"""The grammar of a recipe: the fields of ``File`` are its sections, whose fields are their settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

import attrs

from cellcls.api import (
    Augmentation,
    Backbone,
    Callback,
    Cleaner,
    Dataset,
    Explainer,
    Head,
    Input,
    Loss,
    Optimizer,
    Param,
    Schedule,
    Search,
    param,
    section,
)
from cellcls.ops.classes import PARTS
from cellcls.ops.curation.belonging import is_pattern
from cellcls.ops.statistics.table import lower_is_better


def chosen(default: object, help: str) -> Any:
    """Declare a section of components; ``default`` is the value of an absent section, as TOML data."""
    return attrs.field(metadata={"param": Param(help=help), "default_data": default})


_TEST = 0.1
"""Default share of images for testing."""


@section
class Split:
    """How images are split into train, val and test: per class, with copies of an image in one part."""

    val: float = param(default=0.1, ge=0, lt=1, help="Share of each class for validation.")
    test: float = param(default=_TEST, ge=0, lt=1, help="Share of each class for testing.")
    seed: int = param(
        default=42, ge=0, help="Seed of the split, independent of the run's seed: all seeds and variants share it."
    )
    group: str | None = param(
        default=None,
        help="What is kept in one part, such as a patient: a column of a table, `folder` (the folder that an image is "
        "in), or a regular expression with a bracket for file names, 'patient_([0-9]+)'.",
    )

    folds: int | None = param(
        default=None, ge=2, le=100, help="Cross-validation: a run for each fold, which it tests; `test` has no meaning."
    )
    fold: int | None = param(default=None, ge=1, help="Only this fold, from 1; default: a run for each.")

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        if self.fold is not None and self.fold > (self.folds or 0):
            return f"has a `fold` {self.fold}, but {self.folds or 'no'} `folds`"
        if self.folds is not None and self.test != _TEST:
            return "takes `folds` or `test`, not both: a fold is tested"
        if self.group is None or not is_pattern(self.group):
            return None
        try:
            brackets = re.compile(self.group).groups
        except re.error as error:
            return f"has a `group` that is no regular expression: {error}"
        return None if brackets else "has a `group` without a bracket, (...), around what is kept together"


@section
class Expand:
    """Copies of training images, made by ``[[augment]]``; the originals are then not augmented.

    Without copies and oversampling, every image is augmented anew in each epoch.
    """

    copies: int = param(default=0, ge=0, le=100, help="Copies of every training image.")
    below_average: bool = param(
        default=False, help="More copies for classes with fewer images than average, up to the average."
    )
    fixed: bool = param(default=True, help="Draw copies once for the whole run (offline) instead of anew each epoch.")


@section
class Train:
    """How training is done, in every stage."""

    batch_size: int = param(default=32, ge=1, help="Images per step, over all processes and accumulated parts.")
    accumulate: int = param(default=1, ge=1, help="Number of parts in which a batch is computed, to save memory.")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = param(
        default="auto", help="Arithmetic of the network; auto: bfloat16 if the GPU supports it, else float32."
    )
    ema_decay: float = param(default=0.0, ge=0, lt=1, help="Decay of an average of the weights (0: none).")
    select: str = param(
        default="val.accuracy",
        help="Metric that selects the best weights: EVALUATION.METRIC. Ties go to the lower loss.",
    )


@section
class Init:
    """Weights of the whole network to start from, instead of the backbone's pretrained ones."""

    from_: str | None = param(
        default=None, help="A run folder, a weights file in one, or a recipe's name: its newest run in runs/."
    )


class OneOf:
    """Base class of sections that take exactly one setting; an overlay replaces such a section as a whole."""

    __slots__ = ()

    def problem(self) -> str | None:
        """Return what is wrong with the combination, or None."""
        settings = attrs.asdict(cast("attrs.AttrsInstance", self), recurse=False)
        if sum(value is not None for value in settings.values()) == 1:
            return None
        return f"takes exactly one of {', '.join(f'`{name}`' for name in settings)}"


@section
class Freeze(OneOf):
    """How much of the backbone is frozen, given in one of three ways."""

    keras_layers: int | None = param(default=None, ge=0, help="This many first layers of the Keras model.")
    fraction: float | None = param(
        default=None, ge=0, le=1, help="The first modules, up to this share of the parameters."
    )
    until: str | None = param(default=None, help="All modules before this one, which is the first to be trained.")


@section
class Stage:
    """A stage of training: what is trained, for how long, and how."""

    name: str | None = param(default=None, help="Name of the stage; default: its number, from 1.")
    epochs: int = param(default=10, ge=1, le=100_000, help="Passes over the training part.")
    freeze: Literal["none", "backbone"] | Freeze = param(
        default="none", help="Which part of the backbone is not trained."
    )
    bn: Literal["train", "frozen"] = param(
        default="train",
        help="Whether BatchNorm in trained layers updates its statistics; in frozen layers it never does.",
    )
    optimizer: Optimizer = chosen({"use": "adamw", "lr": 1e-3}, help="How a step changes the weights.")
    schedule: Schedule = chosen({"use": "constant"}, help="How the learning rate changes.")


@section
class Evaluation:
    """Metrics on one part of the data, measured with the best weights."""

    name: str = param(help="Name of the evaluation, as in `test.accuracy`.")
    part: Literal["train", "val", "test"] | None = param(default=None, help="Part of the data; default: the name.")
    views: tuple[Literal["flips", "turns"], ...] = param(
        default=(), help="Views of each image whose probabilities are averaged (test-time augmentation)."
    )
    corrupt: str | None = param(default=None, help="Suite of corruptions, or a corruption, applied to the images.")
    severities: tuple[int, ...] = param(
        default=(1, 2, 3, 4, 5), ge=1, le=5, help="Strengths of the corruption, 1 to 5; all are pooled."
    )
    seed: int = param(default=0, ge=0, help="Seed of the corruption.")
    images: int | None = param(
        default=None,
        ge=1,
        help="Measure on at most so many images, spread evenly over the part's classes; default: all.",
    )

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        if self.part is None and self.name not in PARTS:
            return f"needs a `part` ({', '.join(PARTS)}), as its name is not a part"
        if not self.severities or len(set(self.severities)) < len(self.severities):
            return "`severities` must be different numbers from 1 to 5"
        return None

    @property
    def part_name(self) -> str:
        """The part that is evaluated."""
        return self.part or self.name


@section
class Prediction:
    """What is fitted on validation images after training, for use with the best weights; it changes no weights."""

    temperature: str | None = param(
        default=None,
        help="Evaluation of val whose images calibrate probabilities (temperature scaling); default: none.",
    )
    unknown: float = param(
        default=0.0,
        ge=0,
        lt=1,
        help="Share of known images that may be marked unknown, as unlike the training images (0: no image is marked).",
    )
    known: tuple[str, ...] = param(
        default=("val",), help="Evaluations of val whose images are known ones, equally many of each."
    )


@section
class Band:
    """A claimed value of a metric with its tolerance, or a bound."""

    value: float | None = param(default=None, help="The claimed value.")
    tolerance: float | None = param(default=None, ge=0, help="How far the measured value may be off.")
    below: float | None = param(default=None, help="The value is below this.")
    above: float | None = param(default=None, help="The value is above this.")

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        given = sum(number is not None for number in (self.value, self.below, self.above))
        if given != 1 or (self.value is None) != (self.tolerance is None):
            return "takes `value` with `tolerance`, or `below`, or `above`"
        return None

    def holds(self, measured: float) -> bool:
        """Return whether a measured value is in the band."""
        if self.value is not None and self.tolerance is not None:
            return abs(measured - self.value) <= self.tolerance + 1e-9
        return measured < self.below if self.below is not None else measured > (self.above or 0.0)

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.value:g} ± {self.tolerance:g}"
        return f"below {self.below:g}" if self.below is not None else f"above {self.above:g}"


@section
class Claim:
    """Published results of the experiment, shown next to the measured ones."""

    place: str | None = param(default=None, help="Where they are published, such as a table or page.")
    bands: Mapping[str, Mapping[str, Band]] = param(factory=dict, rest=True, help="EVALUATION.METRIC = a band.")


@section
class Recipe:
    """An experiment: everything that changes its result."""

    name: str = param(default="", help="Name of the experiment; default: the file's.")
    seed: int = param(default=42, ge=0, lt=2**63, help="Seed of all random numbers of training.")
    requires: tuple[str, ...] = param(default=(), help="Plugins that the recipe needs, by their names for pip.")
    dataset: Dataset = chosen({"use": "synthetic"}, help="The images.")
    cleaners: tuple[Cleaner, ...] = param(default=(), help="Rules that drop images.")
    split: Split = param(factory=Split, help="Train, val and test.")
    input: Input = param(factory=Input, help="What the network sees.")
    expand: Expand = param(factory=Expand, help="Copies of training images.")
    augment: tuple[Augmentation, ...] = param(default=(), help="Random transforms of training images, in this order.")
    backbone: Backbone = chosen({"use": "cnn5"}, help="The network from an image to a map of features.")
    head: Head = chosen({"use": "linear"}, help="The layers from the map of features to the classes.")
    loss: Loss = chosen({"use": "cross_entropy"}, help="What training minimises.")
    train: Train = param(factory=Train, help="How training is done.")
    init: Init = param(factory=Init, help="A run whose weights to start from.")
    stages: tuple[Stage, ...] = chosen([{}], help="Stages of training, one after another.")
    evaluate: tuple[Evaluation, ...] = chosen(
        [{"name": "val"}, {"name": "test"}], help="Evaluations of the best weights."
    )
    prediction: Prediction = param(factory=Prediction, help="What is fitted after training, for use of the weights.")
    explain: tuple[Explainer, ...] = param(default=(), help="Heat maps of the best weights.")
    callbacks: tuple[Callback, ...] = param(default=(), help="Callbacks during the run.")
    claim: Claim | None = param(default=None, help="Published results to compare with.")

    def stage_name(self, number: int) -> str:
        """Return the name of a stage, counted from 0."""
        return self.stages[number].name or str(number + 1)

    def evaluation(self, name: str) -> Evaluation:
        """Return an evaluation by its name; for a part that the recipe does not evaluate, a plain evaluation of it."""
        return next((evaluation for evaluation in self.evaluate if evaluation.name == name), Evaluation(name=name))

    def watched(self) -> tuple[str, ...]:
        """Return the metrics measured at every epoch: ``select``, the same on the clean part where it is measured on
        corrupted images, and what schedules and callbacks watch."""
        watching: list[Schedule | Callback] = [*(stage.schedule for stage in self.stages), *self.callbacks]
        named = [getattr(watcher, field) for watcher in watching for field in watcher.watches]
        evaluation, _, metric = self.train.select.partition(".")
        selecting = self.evaluation(evaluation)
        clean = [f"{selecting.part_name}.{metric}"] if selecting.corrupt else []
        return tuple(dict.fromkeys([self.train.select, *clean, *named]))


FORMS = ("order", "among", "difference")
"""The forms of an expectation, of which it has exactly one."""


@section
class Expect:
    """What is expected of several values of a metric: an order, that they are close, or a difference.

    An entry is a variant of the file, a recipe of the same command, or a glob of variants (the best by
    ``train.select``); if ``metric`` has no dot, entries are evaluations of one run. Of several seeds, the mean counts.
    """

    metric: str = param(help="EVALUATION.METRIC, or METRIC if the entries are evaluations of one run.")
    order: tuple[str, ...] | None = param(default=None, help="Best first: each at least as good as the next.")
    slack: float = param(default=0.0, ge=0, help="By how much a value in `order` may fall short of the next.")
    among: tuple[str, ...] | None = param(default=None, help="Entries whose values are close together.")
    within: float | None = param(default=None, ge=0, help="How far apart the values of `among` may be at most.")
    difference: tuple[str, str] | None = param(
        default=None, help="Two entries: the value of the first minus that of the second."
    )
    value: float | None = param(default=None, help="The expected difference.")
    tolerance: float | None = param(default=None, ge=0, help="How far off the difference may be.")

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        given = [name for name in FORMS if getattr(self, name) is not None]
        if len(given) != 1:
            return "takes exactly one of `order`, `among`, `difference`"
        if len(self.entries) < 2 or len(set(self.entries)) < len(self.entries):
            return f"needs two or more different entries in `{given[0]}`"
        if self.slack and self.order is None:
            return "takes `slack` with `order` only"
        if (self.among is None) != (self.within is None):
            return "takes `among` and `within` together"
        if (self.difference is None) != (self.value is None) or (self.value is None) != (self.tolerance is None):
            return "takes `difference`, `value` and `tolerance` together"
        return None

    @property
    def entries(self) -> tuple[str, ...]:
        """The compared entries."""
        return self.order or self.among or self.difference or ()

    @property
    def of_evaluations(self) -> bool:
        """Whether the entries are evaluations of one run."""
        return "." not in self.metric

    @property
    def metric_name(self) -> str:
        """The metric without its evaluation."""
        return self.metric.rpartition(".")[2]

    @property
    def lower_is_better(self) -> bool:
        """Whether lower values are better."""
        return lower_is_better(self.metric_name)

    def __str__(self) -> str:
        if self.order is not None:
            slack = f" (slack {self.slack:g})" if self.slack else ""
            return f"{self.metric}: {(' ≤ ' if self.lower_is_better else ' ≥ ').join(self.order)}{slack}"
        if self.among is not None:
            return f"{self.metric}: {', '.join(self.among)} within {self.within:g}"
        return f"{self.metric}: {' − '.join(self.entries)} = {self.value:g} ± {self.tolerance:g}"


@section
class Variant(Recipe):
    """A run of a file, or several seeds of it: what it changes in the file's recipe."""

    seeds: tuple[int, ...] | None = param(default=None, help="Instead of `seed`: a run for each seed.")


@section
class File(Variant):
    """A recipe file: a recipe, and what belongs to the file as a whole, such as its variants."""

    base: str | None = param(default=None, help="Another recipe in the same folder, which this one overrides.")
    variants: Mapping[str, Variant] = param(factory=dict, help="Runs: what each changes, with its own claim.")
    expect: tuple[Expect, ...] = param(default=(), help="What is expected of the runs in comparison.")
    sweep: Search | None = param(default=None, help="A search that runs the recipe many times.")


def _keys(cls: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(cls)]


OUTER = tuple(key for key in _keys(File) if key not in _keys(Recipe))
"""Keys that belong to a recipe file as a whole: its base, its variants and seeds, what is expected of its runs."""
