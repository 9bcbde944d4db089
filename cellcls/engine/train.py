"""The loop: a generator of events, in stages of epochs of steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping

import numpy as np

from cellcls.api import events
from cellcls.engine.augmented import augmented_samples
from cellcls.engine.data import Indices
from cellcls.engine.device import machine as resolve_machine
from cellcls.engine.evaluate import to_uint8
from cellcls.engine.finish import finish
from cellcls.engine.freezing import set_mode
from cellcls.engine.job import Job
from cellcls.engine.memory import PeakMemory
from cellcls.engine.session import History, Session, open_session
from cellcls.engine.stage import StageRun, open_stage
from cellcls.engine.step import augmented, take_step
from cellcls.errors import CellclsError, StoppedError
from cellcls.ops.draws import permutation
from cellcls.ops.statistics.table import lower_is_better
from cellcls.ops.storage.npz import save_arrays
from cellcls.runs.options import write_options
from cellcls.runs.records import EpochRecord, write_lines
from cellcls.runs.stop import stopped


def run(job: Job) -> Iterator[events.Event]:
    """Run a job from its start, or from the state a stopped run left, to its last metric."""
    machine = resolve_machine(job.options, job.inputs.recipe.train.precision)
    session = open_session(job, machine)
    if machine.first:
        write_options(job.folder, job.options)
    try:
        yield from session.emit(_run_started(session))
        with PeakMemory(machine.device) as memory:
            for number in range(session.progress.stage, len(session.recipe.stages)):
                yield from _stage(session, number)
        metrics = finish(session, memory.megabytes)
        yield from session.emit(events.RunEnded(folder=job.folder.path, metrics=metrics))
    except CellclsError as error:
        resumable = job.folder.saved.exists()
        failed = events.RunFailed(folder=job.folder.path, error=error.message, resumable=resumable)
        yield from session.emit(failed)
        raise


def _run_started(session: Session) -> events.RunStarted:
    sizes = {part: len(indices) for part, indices in session.data.parts.items()}
    return events.RunStarted(
        folder=session.job.folder.path,
        **sizes,
        parameters=sum(parameter.numel() for parameter in session.network.parameters()),
        device=str(session.machine.device),
        resumed=session.resumed,
    )


def _stage(session: Session, number: int) -> Iterator[events.Event]:
    stage = open_stage(session, number)
    trained = sum(parameter.numel() for parameter in session.network.parameters() if parameter.requires_grad)
    yield from session.emit(
        events.StageStarted(
            stage=number, name=stage.name, epochs=stage.settings.epochs, steps_per_epoch=stage.steps, trained=trained
        )
    )
    while session.progress.epoch < stage.settings.epochs and session.progress.stop_reason is None:
        yield from _epoch(session, stage)
    weights = session.job.folder.stage(number, stage.name)
    session.write_weights(weights, session.network)
    session.write_weights(session.job.folder.last, session.network)
    reason = session.progress.stop_reason
    session.progress.next_stage()
    session.save(None, force=True)
    yield from session.emit(events.StageEnded(stage=number, name=stage.name, weights=weights, reason=reason))


def _epoch(session: Session, stage: StageRun) -> Iterator[events.Event]:
    progress, size = session.progress, session.recipe.train.batch_size
    yield from session.emit(events.EpochStarted(stage=stage.number, epoch=progress.epoch))
    epoch = len(progress.history)  # over all stages, for the draws
    order = permutation(session.recipe.seed, epoch, len(session.samples)).numpy()
    schedule = stage.settings.schedule.build(epochs=stage.settings.epochs, steps_per_epoch=stage.steps)
    history = History(progress.history, stage.number)
    set_mode(session.network, stage.settings, stage.frozen)
    while progress.step < stage.steps:
        batch = order[progress.step * size : (progress.step + 1) * size]
        stage.scale_lr(schedule(progress.epoch * stage.steps + progress.step, history))
        if progress.total_steps == 0 and session.machine.first:
            _write_pictures(session, batch, epoch)
        with session.job.stop.between_steps():
            loss = _step(session, stage, batch, epoch)
            _save_or_stop(session, stage)
        step = progress.step - 1
        yield from session.emit(
            events.StepEnded(
                stage=stage.number, epoch=progress.epoch, step=step, steps=stage.steps, loss=loss, lr=stage.lr
            )
        )
    yield from _end_epoch(session, stage)


def _step(session: Session, stage: StageRun, batch: Indices, epoch: int) -> float:
    """Take a step, count it, and return its loss. Raises ``StoppedError`` where that is no number."""
    progress, started = session.progress, time.perf_counter()
    taken = take_step(session, stage, batch, epoch)
    loss = taken.loss_sum / taken.seen
    if not math.isfinite(loss):
        raise _not_finite(session, stage, loss)
    data = session.data
    drawn = session.samples.drawn(batch, data.source.labels, len(data.classes))
    progress.count(taken.loss_sum, taken.right, taken.seen, drawn, time.perf_counter() - started)
    return loss


def _save_or_stop(session: Session, stage: StageRun) -> None:
    """Save the state if that is long ago, and stop where somebody asked for it. Raises ``InterruptedRunError``."""
    session.save_if_long_ago(stage.optimizer)
    if session.job.stop.asked is not None:
        session.save(stage.optimizer, force=True)
        raise stopped(session.job.stop.asked, f"go on with: cellcls run --resume {session.job.folder.path}")


def _end_epoch(session: Session, stage: StageRun) -> Iterator[events.Event]:
    progress, recipe = session.progress, session.recipe
    metrics = {"train.loss": progress.loss_sum / progress.seen, "train.accuracy": progress.right / progress.seen}
    names = dict.fromkeys(metric.partition(".")[0] for metric in recipe.watched())
    for name in names:
        if name == "train":
            continue
        found = session.measured(recipe.evaluation(name), session.evaluated_network).points()
        if not all(math.isfinite(value) for value in found.values()):
            raise _not_finite(session, stage, found["loss"])
        metrics |= {f"{name}.{metric}": value for metric, value in found.items()}
        yield from session.emit(
            events.ValidationEnded(stage=stage.number, epoch=progress.epoch, evaluation=name, metrics=found)
        )
    best = _is_best(session, metrics)
    if best:
        session.write_weights(session.job.folder.best, session.evaluated_network)
    progress.history.append(
        EpochRecord(
            stage=stage.number,
            stage_name=stage.name,
            epoch=progress.epoch,
            lr=stage.lr,
            seconds=progress.seconds,
            best=best,
            drawn=session.data.named(progress.drawn[0]),
            copies=session.data.named(progress.drawn[1]),
            metrics=metrics,
        )
    )
    if session.machine.first:
        write_lines(session.job.folder.history, progress.history)
    ended = events.EpochEnded(
        stage=stage.number, epoch=progress.epoch, metrics=metrics, best=best, seconds=progress.seconds
    )
    yield from session.emit(ended)
    progress.next_epoch()
    session.save(stage.optimizer)


def _is_best(session: Session, metrics: Mapping[str, float | None]) -> bool:
    """Return whether an epoch is better than all earlier ones by ``train.select``, or, if it ties, by the loss."""
    select = session.recipe.train.select
    loss = f"{select.partition('.')[0]}.loss"
    sign = 1 if lower_is_better(select) else -1

    def cost(measured: Mapping[str, float | None]) -> tuple[float, float]:
        return sign * (measured[select] or 0.0), measured[loss] or 0.0

    return all(cost(metrics) < cost(epoch.metrics) for epoch in session.progress.history)


def _not_finite(session: Session, stage: StageRun, loss: float) -> StoppedError:
    """Return the error for a loss that is no number; what is on disk was written before it."""
    place = f"stage {stage.name}, epoch {session.progress.epoch + 1}, step {session.progress.step + 1}"
    kept = "best.safetensors holds the best weights so far" if session.progress.history else "no epoch had ended"
    smaller = stage.initial_lr / 10
    return StoppedError(
        f"the loss became {loss} at {place}; {kept}",
        "the learning rate is the usual cause; run again with a smaller one, as in "
        f"--set stages.{stage.number}.optimizer.lr={smaller:g}",
    )


def _write_pictures(session: Session, batch: Indices, epoch: int) -> None:
    """Write the first batch as the network sees it, and what augmentation makes of a few images of each class."""
    rows, folder = batch[:64], session.job.folder
    images, targets = augmented(session, rows, epoch)
    label = targets.argmax(1).cpu().numpy().astype(np.int64)
    copies = {"copy": session.samples.copy[rows]} if session.samples.expanded else {}
    save_arrays(folder.train_batch, {"images": to_uint8(images), "label": label, **copies})
    if session.recipe.augment:
        save_arrays(folder.augmented, augmented_samples(session))
