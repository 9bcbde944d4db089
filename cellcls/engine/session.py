"""All the objects of a run in progress, made from a job and from the state a stopped run left."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import torch
from torch import nn

from cellcls.api import Features, PerSampleLoss, RunView, StageHistory, changed
from cellcls.api.events import Event
from cellcls.engine.class_weights import class_weights
from cellcls.engine.damage import refuse_damaged_weights, ways_out_told
from cellcls.engine.data import Data, prepare
from cellcls.engine.device import Machine
from cellcls.engine.foresight import foresee, refuse_unbuildable
from cellcls.engine.images import Images
from cellcls.engine.init import Start, recorded_start, start_from
from cellcls.engine.job import Job
from cellcls.engine.measure import Measured, measure
from cellcls.engine.network import Network, NetworkConfig, build_features, known_tensors, network_config, save_weights
from cellcls.engine.pipeline import Pipeline
from cellcls.engine.resuming import fingerprint, refuse_changes
from cellcls.engine.samples import EpochSamples, samples
from cellcls.engine.state import Progress, Saved, StateDict, load_state, refused_as_damaged, save_state
from cellcls.ops.storage.files import write_text
from cellcls.recipe import Evaluation, Recipe, Split, dump
from cellcls.runs.environment import environment
from cellcls.runs.records import EpochRecord, TrainingImagesRecord, write, write_lines

if TYPE_CHECKING:
    from timm.utils.model_ema import ModelEmaV3

_log = logging.getLogger(__name__)


class History(StageHistory):
    """The epochs of one stage, as schedules and callbacks may see them."""

    def __init__(self, epochs: Sequence[EpochRecord], stage: int) -> None:
        self.epochs = [epoch for epoch in epochs if epoch.stage == stage]

    def values(self, metric: str) -> list[float]:
        """Return the metric of each epoch that has ended."""
        found = (epoch.metrics.get(metric) for epoch in self.epochs)
        return [value for value in found if value is not None]


class SessionView(RunView):
    """What a callback sees of a run."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress

    @property
    def history(self) -> StageHistory:  # type: ignore[override]  # read-only here
        """The epochs of the running stage."""
        return History(self.progress.history, self.progress.stage)

    def end_stage(self, reason: str) -> None:
        """Ask that the stage end after this epoch."""
        self.progress.stop_reason = self.progress.stop_reason or reason


@attrs.define(kw_only=True)
class Session:
    """A run in progress."""

    job: Job
    machine: Machine
    data: Data
    images: Images
    network: Network
    config: NetworkConfig
    samples: EpochSamples
    pipeline: Pipeline
    loss: PerSampleLoss
    plain_loss: PerSampleLoss
    progress: Progress
    average: ModelEmaV3 | None
    scaler: torch.amp.GradScaler
    resumed: bool
    start: Start | None
    """The weights of another run that this one started from."""
    optimizer_state: StateDict | None
    """What a stopped run left for the optimizer of the stage it was in."""
    warnings: tuple[str, ...]
    """What the run's numbers foretell (``foresight``)."""
    told: set[str] = attrs.field(factory=set)
    """What failed in loggers and was told: once is enough."""
    last_saved: float = attrs.field(factory=time.monotonic)
    save_seconds: float = 0.0

    @property
    def recipe(self) -> Recipe:
        """The recipe, its inputs found."""
        return self.job.inputs.recipe

    @property
    def evaluated_network(self) -> nn.Module:
        """The network that is evaluated and kept as best: the average where there is one."""
        return self.average.module if self.average is not None else self.network

    def emit(self, event: Event) -> Iterator[Event]:
        """Offer an event to every callback in recipe order, then yield it. What fails in a logger is told."""
        method = _snake_case(type(event).__name__)
        view = SessionView(self.job.folder.path, self.progress)
        for callback in self.recipe.callbacks:
            watching = partial(getattr(callback, method), event, view)
            if not callback.logs:
                watching()
            elif self.machine.first:
                self._harmless(callback.component_name, watching)
        yield event

    def _harmless(self, logger: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            if not self.job.loggers_may_fail:
                raise
            reason = " ".join(str(error).split())[:300]
            said = f"{logger}: not logged, and the run goes on: {type(error).__name__}: {reason}"
            if said not in self.told:
                _log.warning("%s", said)
            self.told.add(said)

    def measured(self, evaluation: Evaluation, network: nn.Module) -> Measured:
        """Measure an evaluation of the recipe on the run's data."""
        return measure(
            network,
            self.images,
            self.data.parts[evaluation.part_name],
            self.machine,
            evaluation,
            self.job.registry,
            loss=self.plain_loss,
        )

    @cached_property
    def training_images(self) -> TrainingImagesRecord:
        """What the training images look like."""
        found = self.images.describe(self.data.parts["train"])
        assert found is not None, "images to train on can be read"
        return found

    def write_weights(self, path: Path, network: nn.Module) -> None:
        """Write a network's weights, if this is the process that writes, with what was fitted to use them."""
        if self.machine.first:
            tensors = network.state_dict()
            if isinstance(network, Network) and network.known is not None:
                tensors |= known_tensors(network.known)
            save_weights(
                path,
                tensors,
                self.recipe,
                self.config,
                rehearsal=self.job.options.rehearse,
                training_images=self.training_images,
                temperature=network.temperature if isinstance(network, Network) else 1.0,
            )

    def save(self, optimizer: torch.optim.Optimizer | None, *, force: bool = False) -> None:
        """Save the state if it is time; ``force``: in any case. Weights that are no numbers replace no good ones.

        ``optimizer``: that of the stage in progress, None between stages.
        """
        if not self.machine.first or not all(parameter.isfinite().all() for parameter in self.network.parameters()):
            return
        since = time.monotonic() - self.last_saved
        if not force and self.save_seconds > self.job.save_share * since:
            return
        started = time.monotonic()
        average = self.average.module if self.average is not None else None
        save_state(
            self.job.folder,
            self.progress,
            self.network,
            average,
            optimizer,
            self.scaler.state_dict(),
            fingerprint(self.recipe),
        )
        self.last_saved = time.monotonic()
        self.save_seconds = self.last_saved - started

    def save_if_long_ago(self, optimizer: torch.optim.Optimizer) -> None:
        """Save the state within an epoch."""
        if time.monotonic() - self.last_saved >= self.job.save_every:
            self.save(optimizer)


def open_session(job: Job, machine: Machine) -> Session:
    """Make every object of a run, and write what is known before its first step.

    Raises ``MissingInputError`` (weights), ``DataError``, ``RecipeError``.
    """
    features = _features(job)
    refuse_unbuildable(job.inputs.recipe, job.registry)
    data = _data(job, machine)
    if job.inputs.given and data.source.parts is not None:
        job = _without_split(job)
    recipe: Recipe = job.inputs.recipe
    saved = load_state(job.folder)
    if saved:
        refuse_damaged_weights(job.folder)
        refuse_changes(job.folder, saved.recipe, recipe, data, machine, job.registry)
    config = network_config(recipe, data.classes)
    network = config.build(features, recipe.seed).to(machine.device)
    start = recorded_start(job.folder) if saved else _start(job, network, config, data)
    average = _average(network, recipe.train.ema_decay) if recipe.train.ema_decay else None
    scaler = torch.amp.GradScaler(machine.device.type, enabled=machine.precision == "float16")
    if saved:
        with ways_out_told(job.folder.saved), refused_as_damaged(job.folder.saved):
            _restore(saved, network, average, scaler)
    weights = class_weights(recipe, data)
    chosen = samples(data.parts["train"], data.source.labels, recipe.expand, seed=recipe.seed)
    warnings = foresee(recipe, data, network, len(chosen), machine, rehearse=job.options.rehearse)
    session = Session(
        job=job,
        machine=machine,
        data=data,
        images=_images(recipe, data, machine),
        network=network,
        config=config,
        samples=chosen,
        pipeline=Pipeline([(entry.p, entry.build(size=recipe.input.size)) for entry in recipe.augment]),
        loss=recipe.loss.build(
            class_weights=None if weights is None else torch.from_numpy(weights).float().to(machine.device)
        ),
        plain_loss=recipe.loss.build(class_weights=None),
        progress=saved.progress if saved else Progress(),
        average=average,
        scaler=scaler,
        resumed=saved is not None,
        start=start,
        optimizer_state=saved.optimizer if saved else None,
        warnings=warnings,
    )
    if machine.first:
        for warning in warnings:
            _log.warning("%s: %s", recipe.name, warning)
        _write_start(session)
    return session


def _features(job: Job) -> Features:
    """Build the backbone, with no weights of its own where it gets those of a run, or it is a rehearsal."""
    recipe: Recipe = job.inputs.recipe
    return build_features(recipe, None if job.options.rehearse or recipe.init.from_ else job.options.weight_places)


def _data(job: Job, machine: Machine) -> Data:
    """Prepare the data in the first process, and then, with decoded copies in the cache, in the others."""
    if machine.first:
        data = prepare(job.inputs)
    machine.barrier()
    return data if machine.first else prepare(job.inputs)


def _start(job: Job, network: Network, config: NetworkConfig, data: Data) -> Start | None:
    start = job.inputs.recipe.init.from_
    return None if start is None else start_from(Path(start), network, config, data, job.registry)


def _average(network: Network, decay: float) -> ModelEmaV3:
    from timm.utils.model_ema import ModelEmaV3  # it takes as long to import as torch

    return ModelEmaV3(network, decay=decay)


def _restore(saved: Saved, network: Network, average: ModelEmaV3 | None, scaler: torch.amp.GradScaler) -> None:
    network.load_state_dict(saved.network)
    scaler.load_state_dict(saved.scaler)
    if average is not None:
        average.module.load_state_dict(saved.average)


def _images(recipe: Recipe, data: Data, machine: Machine) -> Images:
    images = Images(data.source, recipe.input, machine.device)
    images.hold()
    return images


def _without_split(job: Job) -> Job:
    """Return the job whose recipe has no ``[split]`` of its own: the data set that was given brings its parts."""
    own = Split(group=job.inputs.recipe.split.group)  # what its parts must not share
    if job.inputs.recipe.split != own:
        _log.warning("%s: its own train, val and test count, not the recipe's [split]", job.inputs.path)
    return attrs.evolve(job, inputs=attrs.evolve(job.inputs, recipe=changed(job.inputs.recipe, split=own)))


def _write_start(session: Session) -> None:
    folder, recipe = session.job.folder, session.recipe
    write_text(folder.recipe, dump(recipe))
    write(folder.environment, session.machine.record_in(environment(session.job.registry)))
    record = session.data.record(recipe.dataset.component_name)
    samples = session.data.by_class(session.samples.index)
    record = attrs.evolve(record, counts={**record.counts, "samples": samples})
    if session.start is not None:
        seen = sorted({*(record.trained_on or ()), *session.start.trained_on})
        record = attrs.evolve(record, init=session.start.record(), trained_on=tuple(seen))
    write(folder.data, record)
    write_lines(folder.history, session.progress.history)


def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
