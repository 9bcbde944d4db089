"""The kinds of component: a class's fields are what a recipe may say, ``build``'s arguments what the engine supplies.

Nothing here imports torch or numpy at run time: a listing of all plugins must stay quick.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, dataclass_transform

import attrs

from cellcls.api.component import Component, param
from cellcls.api.operations import Batch, Colour, Geometric
from cellcls.ops.statistics.figures import is_loss

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
        shaped = attrs.frozen(kw_only=True, slots=False)(cls)
        shaped.kind = name
        return shaped

    return shape


# --- data -------------------------------------------------------------------------------------------------------


@attrs.frozen
class BadImage:
    """A file that gives no image: where it is and why."""

    name: str
    reason: str


class Source(ABC):
    """Labelled images read by batch, so that a set larger than memory is no special case."""

    class_names: tuple[str, ...]
    """Names of the classes, in the order of the labels; the eight blood cells under their canonical names."""
    labels: NDArray[np.int64]
    """(N,) class of each image, in 0..K-1."""
    parts: NDArray[np.str_] | None = None
    """(N,) ``train``, ``val`` or ``test`` where the set brings its own parts, else None."""
    names: Sequence[str] | None = None
    """(N,) file name of each image where it has one."""
    sizes: NDArray[np.int64] | None = None
    """(N, 2) height and width of each image before it was brought to one size, where they differ, else None."""
    hashes: Sequence[str] | None = None
    """(N,) content hash of each image as it lies in its file (``ops.hashing.content_hash``), where ``read`` brings it
    to another size, so that the hash does not depend on that size; else None."""
    bad_images: tuple[BadImage, ...] = ()
    """Images that were left out because they could not be read."""
    left_aside: tuple[BadImage, ...] = ()
    """What else lies where the images lie and is none of them: files of another kind, or in another place."""

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3), RGB, 0..255, in the order of ``indices``. Raises ``DataError``."""

    def masks(self, indices: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Return where the cells are in the images of ``indices``, (B, H, W); None where the set does not know."""
        return None

    def let_go(self) -> None:  # noqa: B027 - most sources hold nothing
        """Free the memory that reading has left in use; the next reading fills it again."""


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

    def let_go(self) -> None:
        """Free the memory of the wrapped source."""
        self.source.let_go()


@attrs.frozen(kw_only=True)
class Download:
    """One file of a data set that its authors offer on the web, for ``cellcls fetch``."""

    name: str
    """The name of the file on disk; no folder in it."""
    address: str
    """http or https."""
    bytes: int | None = None
    """The size of the file, None: not published."""
    licence: str | None = None
    checksum: str | None = None
    """``md5:HEX`` or ``sha256:HEX`` as its authors publish it, None: they publish none."""


@_kind("dataset")
class Dataset(Component):
    """A set of labelled images. A field ``file: Path`` names what the engine looks up and passes as ``path``."""

    how_to_get: ClassVar[tuple[str, ...]] = ()
    """What to do when the file is missing, one line each."""
    sources: ClassVar[tuple[Download, ...]] = ()
    """The files that ``cellcls fetch`` can download; empty where a person must ask for them."""

    any_pictures: ClassVar[bool] = False
    """Whether it takes nearly any folder of pictures. Then the others are asked first what a path is, and ``audit``
    opens with it a folder that nobody recognises."""

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Tell, cheaply, whether ``path`` is a set of this kind (for ``--data PATH``, ``predict PATH``)."""
        return False

    @classmethod
    def for_rehearsal(cls) -> Dataset | None:
        """Return a small set that needs no file, for ``--rehearse``; None: it cannot be one."""
        return None

    def build(self, *, path: Path | None, size: int, interpolation: str, cache: Path) -> Source:
        """Open the set. ``path``: where ``file`` was found; ``size``: side of the network's input in pixels, for
        sets whose images differ in size; ``cache``: a folder for decoded copies. Raises ``DataError``."""
        raise NotImplementedError


@attrs.frozen
class Decision:
    """A cleaner's decision to drop one image."""

    index: int
    hash: str
    rule: str
    reason: str


@_kind("cleaner")
class Cleaner(Component):
    """A rule that drops images. It sees the original groups of copies, so that the order of rules changes no group."""

    def build(self, *, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
        """Decide. ``source``: all images and their labels; ``groups``: copies among **all** of them; ``kept`` (N,):
        what earlier rules left."""
        raise NotImplementedError


# --- augmentation -----------------------------------------------------------------------------------------------


@_kind("augmentation")
class Augmentation(Component):
    """A random change of training images, drawn anew for each image. The engine draws whether it acts (``p``)."""

    p: float = param(default=1.0, ge=0, le=1, help="Share of the images it acts on.")

    def build(self, *, size: int) -> Geometric | Colour | Batch:
        """Return the operation for images of ``size`` x ``size`` pixels. Raises ``RecipeError`` where it cannot act."""
        raise NotImplementedError


@_kind("corruption")
class Corruption(Component):
    """A change of test images that shows how robust a network is, at five severities."""

    suite: ClassVar[str | None] = None
    """Name of the suite it belongs to; a suite is every corruption that gives its name (``corrupt = NAME``)."""

    def build(self, *, severity: int, size: int) -> Batch:
        """Return the operation at ``severity`` 1 (mild) to 5 (strong) for images of ``size`` x ``size`` pixels; it
        leaves targets as they are. Raises ``RecipeError`` for another severity."""
        raise NotImplementedError


# --- network ----------------------------------------------------------------------------------------------------


@attrs.frozen
class WeightPlaces:
    """Where pretrained weights may come from."""

    directory: Path | None = None
    """``--weights DIR``: files in timm's layout (``MODEL.safetensors``)."""
    offline: bool = False
    """``--offline``: never ask the network."""


@attrs.frozen
class WantedWeights:
    """Pretrained weights a recipe asks for: their name, size in megabytes (None: unknown), whether they are at hand."""

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
    """Names of the submodules with weights of their own, in the order they are called: what ``freeze`` counts."""
    layers: tuple[str, ...]
    """Names of the submodules whose output makes a heat map, from shallow to deep."""
    grid: Callable[[Tensor], Tensor] | None = None
    """Reshapes such an output to (B, C, h, w) where it is not a map already (tokens of a ViT)."""
    keras_nodes: str | None = None
    """A digit a node of the same network in Keras: how many of ``weighted`` it stands for (``keras_layers``)."""


@_kind("backbone")
class Backbone(Component):
    """The part of the network that turns an image into a map of features."""

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Say which pretrained weights the settings ask for (None: none), without importing torch."""
        return None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Build for inputs of ``size`` x ``size`` pixels. ``weights`` None: leave the random start (a rehearsal, or
        the weights come from a run). Raises ``MissingInputError`` where wanted weights are not to be had."""
        raise NotImplementedError


@_kind("head")
class Head(Component):
    """The part that turns the map into one logit a class; it pools the map itself."""

    def build(self, *, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
        """Return a module from a map (B, ``channels``, h, w) with ``size`` = (h, w) to logits (B, ``num_classes``)."""
        raise NotImplementedError


# --- training ---------------------------------------------------------------------------------------------------

PerSampleLoss = Callable[["Tensor", "Tensor"], "Tensor"]
"""Maps logits (B, K) and targets, hard (B,) int64 or soft (B, K), to one loss a sample (B,)."""


@_kind("loss")
class Loss(Component):
    """What training makes small. The engine takes the mean over all N samples, weighted or not (report, equation 1)."""

    class_weights: Literal["none", "balanced"] | tuple[float, ...] = param(
        default="none", ge=0, help="Weight of each class; balanced: N / (K * n_c) over the training part."
    )

    def build(self, *, class_weights: Tensor | None) -> PerSampleLoss:
        """Return the loss of each sample. ``class_weights`` (K,): the resolved weights, None for none."""
        raise NotImplementedError


@_kind("optimizer")
class Optimizer(Component):
    """How a step changes the weights."""

    lr: float = param(gt=0, help="Learning rate, before the schedule.")

    def build(self, *, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimizer over the trained parameters."""
        raise NotImplementedError


class StageHistory(ABC):
    """What a schedule and a callback may know of the stage so far."""

    @abstractmethod
    def values(self, metric: str) -> list[float]:
        """Return ``metric`` (``val.accuracy``, ``train.loss``) of each epoch of this stage that has ended."""

    def epochs_since_best(self, metric: str, *, lowest: bool | None = None) -> int:
        """Count the epochs since the best value (0: the last was the best, or none ended). Losses are best low."""
        values = self.values(metric)
        if not values:
            return 0
        low = is_loss(metric) if lowest is None else lowest
        best = min(values) if low else max(values)
        return len(values) - 1 - values.index(best)


@_kind("schedule")
class Schedule(Component):
    """How the learning rate changes: a pure function of step and history, so that resuming needs no state."""

    watches: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that hold a metric to be measured at every epoch (``("watch",)``)."""

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the function (step from the start of the stage, history of the stage) -> factor on ``lr``."""
        raise NotImplementedError


class RunView(ABC):
    """What a callback sees of a run."""

    history: StageHistory
    folder: Path

    @abstractmethod
    def end_stage(self, reason: str) -> None:
        """Ask that the stage end after this epoch; the reason goes into the history."""


@_kind("callback")
class Callback(Component):
    """Watches a run: one method an event, named after it in snake_case, taking (event, run). What changes the
    mathematics is no callback but a section of its own, so that a recipe tells the whole truth."""

    watches: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that hold a metric to be measured at every epoch."""
    logs: ClassVar[bool] = False
    """Whether all it does is tell others of the run. Then an error in it is told and stops nothing, and of several
    processes (torchrun) only the first calls it."""
    imports: ClassVar[tuple[str, ...]] = ()
    """Libraries its methods import: where one is not installed, the run is refused before it starts."""

    def run_started(self, event: events.RunStarted, run: RunView) -> None:
        """Before anything is trained."""

    def stage_started(self, event: events.StageStarted, run: RunView) -> None:
        """The stage's trained parameters and optimizer are set."""

    def epoch_started(self, event: events.EpochStarted, run: RunView) -> None:
        """Before the first step of an epoch."""

    def step_ended(self, event: events.StepEnded, run: RunView) -> None:
        """After one step of the optimizer."""

    def validation_ended(self, event: events.ValidationEnded, run: RunView) -> None:
        """An evaluation of the epoch is done."""

    def epoch_ended(self, event: events.EpochEnded, run: RunView) -> None:
        """After the epoch's line of history."""

    def stage_ended(self, event: events.StageEnded, run: RunView) -> None:
        """The stage's weights are on disk."""

    def run_ended(self, event: events.RunEnded, run: RunView) -> None:
        """All figures are on disk."""

    def run_failed(self, event: events.RunFailed, run: RunView) -> None:
        """The run breaks off."""


# --- searching --------------------------------------------------------------------------------------------------

Value = bool | int | float | str
"""What a setting that is searched may be."""


@attrs.frozen(kw_only=True)
class Choice:
    """What one setting may be: one of ``values``, or a number from ``low`` to ``high``."""

    values: tuple[Value, ...] | None = param(default=None, help="All values it may take.")
    low: int | float | None = param(default=None, help="The lowest value; whole where `low` and `high` are.")
    high: int | float | None = param(default=None, help="The highest value.")
    log: bool = param(default=False, help="Whether equal ratios, not equal differences, are equally likely.")

    def problem(self) -> str | None:
        """Say what is wrong with the combination."""
        if (self.values is None) == (self.low is None and self.high is None):
            return "takes `values`, or `low` and `high`"
        if self.values is not None:
            return None if self.values and not self.log else "needs some `values`, and no `log` beside them"
        if self.low is None or self.high is None or not self.low < self.high:
            return "needs `low` below `high`"
        return "with `log` needs `low` above 0" if self.log and self.low <= 0 else None

    def extremes(self) -> tuple[Value, ...]:
        """Return what must be allowed for all of it to be: every value, or both ends."""
        if self.values is not None:
            return self.values
        return tuple(end for end in (self.low, self.high) if end is not None)

    @property
    def whole(self) -> bool:
        """Whether it is a whole number between two ends: both are written without a point."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@attrs.frozen(kw_only=True)
class Trial:
    """One run of a search: what it was run with and what came out."""

    number: int
    settings: Mapping[str, Value]
    value: float | None = None
    """The figure searched for; None where the run failed."""


@_kind("search")
class Search(Component):
    """Runs a recipe many times with other settings (``[sweep]``). A pure function of what is finished, so that a search
    that was stopped goes on as if it had not been."""

    trials: int = param(default=20, ge=1, le=100_000, help="Number of runs.")
    at_once: int = param(
        default=1,
        ge=1,
        le=100_000,
        help="Trials proposed together, from those finished before them; --launcher runs these side by side.",
    )
    metric: str = param(default="val.accuracy", help="EVALUATION.METRIC that is searched for, on val alone.")
    space: Mapping[str, Choice] = param(
        factory=dict, help="Settings by their dotted name, as --set takes them, and what each may be."
    )

    @property
    def lowest(self) -> bool:
        """Whether the best is the lowest."""
        return is_loss(self.metric)

    def combinations(self) -> int | None:
        """Return how many different trials there are; None: no end of them."""
        return None

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Mapping[str, Value]]:
        """Return the function (number of the trial, finished trials) -> settings by dotted name. Deterministic under
        ``seed``, the recipe's."""
        raise NotImplementedError


# --- launching --------------------------------------------------------------------------------------------------


@_kind("launcher")
class Launcher(Component):
    """Where the runs of a call are executed (``--launcher NAME``). A setting of the machine, never part of a recipe."""

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        """Return the function from planned run folders to each folder with its exit code, as the runs end; -n, as
        ``subprocess`` has it, is one that the signal n ended.

        A planned run is started by ``ops.launching.command``. When the generator is closed, what still runs is asked
        to save its state and end (SIGTERM).
        """
        raise NotImplementedError


# --- explaining -------------------------------------------------------------------------------------------------


@_kind("explainer")
class Explainer(Component):
    """Shows what a decision rests on, as a heat map."""

    name: str | None = param(default=None, help="Name its figures get in metrics.json; default: the component's.")
    images: int = param(default=16, ge=1, le=512, help="Number of test images to explain, spread over the classes.")
    compare: tuple[str, str] | None = param(
        default=None, help="Two stages whose networks are compared depth by depth; gives `frozen_share`."
    )
    depths: int = param(default=16, ge=2, le=512, help="At most so many layers are compared, evenly spread.")
    same_above: float = param(
        default=0.8, gt=0, le=1, help="Maps count as the same above this correlation; the first layer below is advised."
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
"""Every kind by its name, in the order a recipe uses them."""


def settings(value: Component) -> dict[str, Any]:
    """Return a component's settings by name."""
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
