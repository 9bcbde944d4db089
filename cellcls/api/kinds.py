"""The kinds of component: a class's fields are what a recipe may say, ``build``'s arguments what the engine supplies.

Nothing here imports torch or numpy at run time: a listing of all plugins must stay quick.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar, dataclass_transform

import attrs

from cellcls.api.component import Component, changed, param
from cellcls.api.files import file_setting
from cellcls.api.input import Input
from cellcls.api.operations import Batch, Colour, Geometric, Mix
from cellcls.errors import PluginError
from cellcls.ops.statistics.table import lower_is_better

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from cellcls.api import events
    from cellcls.ops.curation.copies import Groups

K = TypeVar("K", bound=type[Component])


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def _kind(name: str) -> Callable[[K], K]:
    def shape(cls: K) -> K:
        shaped = attrs.frozen(kw_only=True, slots=False, repr=False)(cls)
        shaped.kind = name
        return shaped

    return shape


# --- data -------------------------------------------------------------------------------------------------------


@attrs.frozen
class BadImage:
    """A file that is not a usable image, and why."""

    name: str
    reason: str


class Source(ABC):
    """Labelled images, read in batches so that the data set may be larger than memory."""

    class_names: tuple[str, ...]
    """Names of the classes, in the order of the labels; the eight blood cells under their canonical names."""
    labels: NDArray[np.int64]
    """(N,) class of each image, in 0..K-1."""
    parts: NDArray[np.str_] | None = None
    """(N,) ``train``, ``val`` or ``test`` if the data set comes with a split, else None."""
    columns: Mapping[str, Sequence[str]] = MappingProxyType({})
    """What else is known of each image, such as its patient: (N,) values by name, "" where there is none. A recipe's
    ``[split] group`` names one to keep the images of a value together."""
    names: Sequence[str] | None = None
    """(N,) file name of each image, None if images are not files."""
    sizes: NDArray[np.int64] | None = None
    """(N, 2) height and width of each image before resizing, None if all images have the same size."""
    hashes: Sequence[str] | None = None
    """(N,) content hash of each image as stored in its file (``ops.storage.hashing.content_hash``) if ``read`` prepares
    images, so that the hash does not depend on the network's input; else None."""
    prepared: bool = False
    """Whether ``read`` returns what the network sees, as ``Input.prepare`` makes it; else the engine prepares it."""
    bad_images: tuple[BadImage, ...] = ()
    """Images that were skipped because they could not be read."""
    skipped_files: tuple[BadImage, ...] = ()
    """Files in the folder that are not images of the set: of another type, or in an unexpected place."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3), RGB, 0..255, in the order of ``indices``; (H, W) is the same for
        all. Raises ``DataError``."""

    def masks(self, indices: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Return where the cells are in the images of ``indices``, (B, H, W); None where the set does not know."""
        return None

    def release_memory(self) -> None:  # noqa: B027 - optional: most sources hold no memory
        """Free memory held since earlier reads. Reading again is allowed at any time."""


class WrappedSource(Source):
    """A source that gives all that ``source`` gives, but for what a subclass changes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        for name in Source.__annotations__:
            setattr(self, name, getattr(source, name))

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images of the wrapped source."""
        return self.source.read(indices)

    def masks(self, indices: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Return the masks of the wrapped source."""
        return self.source.masks(indices)

    def release_memory(self) -> None:
        """Free the memory of the wrapped source."""
        self.source.release_memory()


@attrs.frozen(kw_only=True)
class Download:
    """A file of a data set that can be downloaded, for ``cellcls fetch``."""

    name: str
    """File name on disk, without a folder."""
    address: str
    """URL, http or https."""
    checksum: str
    """``md5:HEX`` or ``sha256:HEX`` in lower case: published by the authors, or by you if they publish none."""
    bytes: int | None = None
    """File size, None if not published."""
    licence: str | None = None


@_kind("dataset")
class Dataset(Component):
    """A data set of labelled images.

    The first setting of type ``Path`` is its file or folder: ``--data`` replaces it, and ``build`` gets it as ``path``.
    """

    how_to_get: ClassVar[tuple[str, ...]] = ()
    """Instructions for when the file is missing, one line each."""
    sources: ClassVar[tuple[Download, ...]] = ()
    """Files that ``cellcls fetch`` can download; empty if they have to be requested by hand."""

    accepts_any_images: ClassVar[bool] = False
    """Whether it accepts almost any folder of images. Such a data set is tried after all others when a path is to be
    recognised, and ``audit`` falls back to it."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether ``path`` looks like a data set of this type (``--data PATH``, ``predict PATH``); be quick."""
        return False

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return the data set of this type at ``path``, with default settings. Raises ``PluginError`` if none of its
        settings is a ``Path``."""
        return cls(**{cls._file_setting(): path})

    def moved_to(self, path: Path) -> Self:
        """Return it with the same settings at another path. Raises ``PluginError`` if none of them is a ``Path``."""
        return changed(self, **{self._file_setting(): path})

    def location(self) -> Path | None:
        """Return its file or folder, None if it has none."""
        name = file_setting(type(self))
        file: Path | None = getattr(self, name) if name else None
        return file

    @classmethod
    def _file_setting(cls) -> str:
        name = file_setting(cls)
        if name is None:
            problem = f"the data set `{cls.component_name}` has no setting of type Path, so it is nowhere"
            raise PluginError(problem, "tell the plugin's authors: a data set that recognises a path needs one")
        return name

    @classmethod
    def for_rehearsal(cls) -> Dataset | None:
        """Return a small data set that needs no file, for ``--rehearse``, or None if there is none."""
        return None

    def leniently(self) -> Self:
        """Return the data set with settings that skip unreadable images (``Source.bad_images``), for the audit; itself
        if it has no such setting."""
        return self

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Open the data set. ``path``: its ``location``; ``input``: what the network sees, for a data set that
        prepares images itself, as images of differing sizes have to be (``Source.prepared``); ``cache``: folder for
        decoded images. Raises ``DataError``."""
        raise NotImplementedError


@attrs.frozen
class Decision:
    """A cleaner's decision to drop an image."""

    index: int
    hash: str
    rule: str
    reason: str


@_kind("cleaner")
class Cleaner(Component):
    """A rule that drops images. Groups of copies are computed once, on all images, whatever the order of the rules.

    The engine finds the files that it names, and those of a data set among its settings (``cellcls.api.files``).
    """

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Return which images to drop. ``source``: all images and their labels; ``groups``: copies among **all** of
        them; ``kept`` (N,): images not dropped by earlier rules."""
        raise NotImplementedError


# --- augmentation -----------------------------------------------------------------------------------------------


@_kind("augmentation")
class Augmentation(Component):
    """A random transform of training images, drawn per image. The engine decides whether it is applied (``p``)."""

    p: float = param(default=1.0, ge=0, le=1, help="Probability of applying it to an image.")

    def build(self, *, size: int) -> Geometric | Colour | Batch | Mix:
        """Return the operation for images of ``size`` x ``size`` pixels. Raises ``RecipeError`` if impossible."""
        raise NotImplementedError


@_kind("corruption")
class Corruption(Component):
    """A degradation of test images, at five severities, with which robustness is measured."""

    suite: ClassVar[str | None] = None
    """Name of the suite it belongs to: ``corrupt = NAME`` selects all corruptions of a suite."""

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the operation at ``severity`` 1 (mild) to 5 (strong) for images of ``size`` x ``size`` pixels. It must
        not change targets. Raises ``RecipeError`` for any other severity."""
        raise NotImplementedError


# --- network ----------------------------------------------------------------------------------------------------


@attrs.frozen
class WeightPlaces:
    """Where to look for pretrained weights."""

    directory: Path | None = None
    """``--weights DIR``: files in timm's layout (``MODEL.safetensors``)."""
    offline: bool = False
    """``--offline``: do not use the network."""


@attrs.frozen
class WantedWeights:
    """Pretrained weights that a recipe needs: name, size in megabytes (None: unknown), whether available locally."""

    name: str
    megabytes: float | None
    at_hand: bool
    how_to_get: str = ""


@attrs.frozen
class Features:
    """A built backbone."""

    module: nn.Module
    """(B, 3, H, W), normalised by ``mean`` and ``std``, to a map (B, ``channels``, h, w)."""
    channels: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    weighted: tuple[str, ...]
    """Names of the submodules with weights of their own, in call order: the units that ``freeze`` counts."""
    layers: tuple[str, ...]
    """Names of the submodules whose output can be shown as a heat map, from shallow to deep."""
    grid: Callable[[Tensor], Tensor] | None = None
    """Reshapes such an output to (B, C, h, w) if it is not a map (tokens of a ViT); None: not needed."""
    keras_nodes: str | None = None
    """One digit per layer of the same network in Keras: how many of ``weighted`` it covers (for ``keras_layers``)."""


@_kind("backbone")
class Backbone(Component):
    """The part of the network that turns an image into a map of features."""

    takes_model: ClassVar[bool] = False
    """Whether ``--features NAME:MODEL`` names one of several networks."""

    @classmethod
    def for_features(cls, model: str) -> Self | None:
        """Return the backbone with pretrained weights, for ``audit --features``; None if it has none. ``model``: what
        follows its name, not empty if it ``takes_model``."""
        return None

    def starting(self, *, pretrained: bool) -> Self | None:
        """Return it with settings for pretrained weights, or for a random start; None if they give no such choice."""
        return None

    def network_name(self) -> str:
        """Return the name of the network in messages."""
        return self.component_name

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Return which pretrained weights the settings need, or None. Must not import torch."""
        return None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Build for inputs of ``size`` x ``size`` pixels. ``weights`` None: keep the random initialization (for a
        rehearsal, or when weights of a run follow). Raises ``MissingInputError`` if weights are not available."""
        raise NotImplementedError


@_kind("head")
class Head(Component):
    """The part of the network that turns the map into one logit per class, pooling included."""

    def build(self, *, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
        """Return a module from a map (B, ``channels``, h, w) with ``size`` = (h, w) to logits (B, ``num_classes``)."""
        raise NotImplementedError


# --- training ---------------------------------------------------------------------------------------------------

PerSampleLoss = Callable[["Tensor", "Tensor"], "Tensor"]
"""Maps logits (B, K) and targets, hard (B,) int64 or soft (B, K), to the loss of each sample (B,)."""


@_kind("loss")
class Loss(Component):
    """The loss function. The engine averages over all N samples, weighted or not (report, equation 1)."""

    class_weights: Literal["none", "balanced"] | tuple[float, ...] = param(
        default="none", ge=0, help="Weight of each class; balanced: N / (K * n_c) over the training part."
    )

    def build(self, *, class_weights: Tensor | None) -> PerSampleLoss:
        """Return the per-sample loss. ``class_weights`` (K,): the resolved weights, None: unweighted."""
        raise NotImplementedError


@_kind("optimizer")
class Optimizer(Component):
    """The rule by which a step updates the weights."""

    lr: float = param(gt=0, help="Learning rate, before the schedule.")

    def state_tensors(self) -> int | None:
        """Return how many tensors of a parameter's size the optimizer keeps (Adam: 2), for the estimate of memory.

        None: it is built and makes a step to find out, which takes as long as importing ``torch`` once more.
        """
        return None

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer of ``parameters``, those that are trained."""
        raise NotImplementedError


class StageHistory(ABC):
    """The history of the current stage, as schedules and callbacks see it."""

    @abstractmethod
    def values(self, metric: str) -> list[float]:
        """Return ``metric`` (``val.accuracy``, ``train.loss``) of each finished epoch of this stage."""

    def epochs_since_best(self, metric: str, *, lowest: bool | None = None) -> int:
        """Count the epochs since the best value (0: the last was the best, or none ended). Losses are best low."""
        values = self.values(metric)
        if not values:
            return 0
        low = lower_is_better(metric) if lowest is None else lowest
        best = min(values) if low else max(values)
        return len(values) - 1 - values.index(best)


@_kind("schedule")
class Schedule(Component):
    """How the learning rate changes: a pure function of step and history, so that resuming needs no state."""

    watches: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that name a metric to be measured every epoch (``("watch",)``)."""
    waits: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that say how many epochs without improvement it waits for (``("patience",)``)."""

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the function (step within the stage, history of the stage) -> factor on ``lr``."""
        raise NotImplementedError


class RunView(ABC):
    """A run as callbacks see it."""

    history: StageHistory
    folder: Path

    @abstractmethod
    def end_stage(self, reason: str) -> None:
        """Request that the stage end after this epoch; the reason is recorded in the history."""


@_kind("callback")
class Callback(Component):
    """Observes a run: one method per event, named after it in snake_case, taking (event, run). A callback must not
    change the training itself: that takes a section of its own, so that the recipe describes it completely."""

    watches: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that name a metric to be measured every epoch."""
    waits: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that say how many epochs without improvement it waits for (``("patience",)``)."""
    logs: ClassVar[bool] = False
    """Whether it only reports the run elsewhere (a logger). An error in a logger is reported and does not stop the run,
    and of several processes (torchrun) only the first calls it."""
    imports: ClassVar[tuple[str, ...]] = ()
    """Libraries its methods import; if one is not installed, the run is refused before it starts."""

    def run_started(self, event: events.RunStarted, run: RunView) -> None:
        """Called before training."""

    def stage_started(self, event: events.StageStarted, run: RunView) -> None:
        """Called when the stage's trained parameters and optimizer are set up."""

    def epoch_started(self, event: events.EpochStarted, run: RunView) -> None:
        """Called before the first step of an epoch."""

    def step_ended(self, event: events.StepEnded, run: RunView) -> None:
        """Called after a step of the optimizer."""

    def validation_ended(self, event: events.ValidationEnded, run: RunView) -> None:
        """Called after an evaluation of the epoch."""

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """Called after the epoch was recorded in the history."""

    def stage_ended(self, event: events.StageEnded, run: RunView) -> None:
        """Called when the stage's weights are on disk."""

    def run_ended(self, event: events.RunEnded, run: RunView) -> None:
        """Called when all results are on disk."""

    def run_failed(self, event: events.RunFailed, run: RunView) -> None:
        """Called when the run fails."""


# --- searching --------------------------------------------------------------------------------------------------

Value = bool | int | float | str
"""Types of a setting that can be searched."""


@attrs.frozen(kw_only=True)
class Choice:
    """The range of a searched setting: one of ``values``, or a number from ``low`` to ``high``."""

    values: tuple[Value, ...] | None = param(default=None, help="All possible values.")
    low: int | float | None = param(
        default=None, help="Lowest value; integers are drawn if `low` and `high` are integers."
    )
    high: int | float | None = param(default=None, help="Highest value.")
    log: bool = param(default=False, help="Draw uniformly on a logarithmic scale.")

    def problem(self) -> str | None:
        """Return what is wrong with this combination of fields, or None."""
        if (self.values is None) == (self.low is None and self.high is None):
            return "takes `values`, or `low` and `high`"
        if self.values is not None:
            return None if self.values and not self.log else "needs some `values`, and no `log` beside them"
        if self.low is None or self.high is None or not self.low < self.high:
            return "needs `low` below `high`"
        return "with `log` needs `low` above 0" if self.log and self.low <= 0 else None

    def extremes(self) -> tuple[Value, ...]:
        """Return the values to check for the whole range to be valid: all values, or both ends."""
        if self.values is not None:
            return self.values
        return tuple(end for end in (self.low, self.high) if end is not None)

    @property
    def whole(self) -> bool:
        """Whether it is a range of integers: both ends are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@attrs.frozen(kw_only=True)
class Trial:
    """One run of a search: its settings and its result."""

    number: int
    settings: Mapping[str, Value]
    value: float | None = None
    """The metric being optimised; None if the run failed."""


@_kind("search")
class Search(Component):
    """Runs a recipe many times with different settings (``[sweep]``). A pure function of the finished trials, so an
    interrupted search continues as if it had never stopped."""

    trials: int = param(default=20, ge=1, le=100_000, help="Number of runs.")
    at_once: int = param(
        default=1,
        ge=1,
        le=100_000,
        help="Trials proposed together, given all finished ones; --launcher runs them in parallel.",
    )
    metric: str = param(default="val.accuracy", help="EVALUATION.METRIC to optimise; on val only.")
    space: Mapping[str, Choice] = param(
        factory=dict, help="Range of each searched setting, by dotted name as in --set."
    )

    @property
    def lowest(self) -> bool:
        """Whether lower values are better."""
        return lower_is_better(self.metric)

    def combinations(self) -> int | None:
        """Return the number of different trials, None if unlimited."""
        return None

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Mapping[str, Value]]:
        """Return the function (number of the trial, finished trials) -> settings by dotted name. Deterministic given
        the recipe's ``seed``."""
        raise NotImplementedError


# --- launching --------------------------------------------------------------------------------------------------


@_kind("launcher")
class Launcher(Component):
    """Executes several runs (``--launcher NAME``), here or elsewhere. A property of the machine, not of a recipe."""

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        """Return the function from planned run folders to pairs of folder and exit code, yielded as the runs finish. As
        in ``subprocess``, -n means that signal n killed the run.

        ``ops.processes.launching.command`` starts a planned run. When the generator is closed, runs still in progress
        are asked to save their state and exit (SIGTERM).
        """
        raise NotImplementedError


# --- explaining -------------------------------------------------------------------------------------------------


@_kind("explainer")
class Explainer(Component):
    """Explains a prediction by a heat map."""

    name: str | None = param(default=None, help="Key of its results in metrics.json; default: the component's name.")
    images: int = param(default=16, ge=1, le=512, help="Number of test images to explain, balanced over the classes.")
    compare: tuple[str, str] | None = param(
        default=None, help="Two stages whose networks are compared depth by depth; gives `frozen_share`."
    )
    depths: int = param(default=16, ge=2, le=512, help="Maximum number of layers to compare, evenly spaced.")
    same_above: float = param(
        default=0.8,
        gt=0,
        le=1,
        help="Maps count as equal above this correlation; the first layer below it is recommended.",
    )

    def build(
        self, *, network: nn.Module, layer: nn.Module, grid: Callable[[Tensor], Tensor] | None
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the function (images (B, 3, H, W) in 0..1, classes (B,)) -> maps (B, h, w), >= 0, of ``layer``.
        ``network`` maps such images to logits; ``grid`` as in ``Features``."""
        raise NotImplementedError


KINDS: Mapping[str, type[Component]] = {
    cls.kind: cls
    for cls in (
        *(Dataset, Cleaner, Augmentation, Backbone, Head, Loss, Optimizer, Schedule, Callback, Explainer),
        *(Corruption, Search, Launcher),
    )
}
"""All kinds by name, in the order a recipe uses them."""


def settings(value: Component) -> dict[str, Any]:
    """Return a component's settings by name."""
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
