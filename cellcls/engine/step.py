"""One step of the optimizer."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.parallel import DistributedDataParallel

from cellcls.engine.batches import own_parts
from cellcls.engine.data import Indices
from cellcls.engine.pipeline import Samples
from cellcls.engine.session import Session
from cellcls.engine.stage import StageRun


@attrs.frozen(kw_only=True)
class StepFigures:
    """What a step measured over all processes: sums over its images."""

    loss_sum: float
    right: float
    seen: int


def take_step(session: Session, stage: StageRun, batch: Indices, epoch: int) -> StepFigures:
    """Compute the mean loss of ``batch``, rows of the session's samples, in parts, and change the weights once.

    The gradient is that of the mean over the whole batch, however it is parted over processes and ``accumulate``.
    ``epoch`` counts over all stages, for the draws.
    """
    machine, progress = session.machine, session.progress
    stage.optimizer.zero_grad(set_to_none=True)
    torch.manual_seed(_step_seed(session.recipe.seed, progress.total_steps, machine.rank))
    sums = torch.zeros(2, dtype=torch.float64, device=machine.device)
    parts = list(
        own_parts(
            batch,
            rank=machine.rank,
            processes=machine.processes,
            accumulate=session.recipe.train.accumulate,
            fewest=stage.fewest,
        )
    )
    for number, (indices, weights) in enumerate(parts):
        images, targets = augmented(session, indices, epoch)
        weight = torch.from_numpy(weights).to(machine.device)
        with _without_sync(stage.trained, last=number == len(parts) - 1):
            with machine.autocast():
                logits = stage.trained(images)
            losses = session.loss(logits.float(), targets) * weight
            session.scaler.scale(losses.sum() * (machine.processes / len(batch))).backward()  # type: ignore[no-untyped-call]
        right = (logits.detach().argmax(1) == targets.argmax(1)) * weight
        sums += torch.stack([losses.detach().sum(), right.sum()]).double()
    session.scaler.step(stage.optimizer)
    session.scaler.update()
    if session.average is not None:
        session.average.update(session.network)
    loss_sum, right_sum = machine.summed(sums).tolist()
    return StepFigures(loss_sum=loss_sum, right=right_sum, seen=len(batch))


def augmented(session: Session, rows: Indices, epoch: int) -> tuple[Tensor, Tensor]:
    """Return the images of ``rows`` of the samples as training sees them in an epoch, and soft targets (B, K)."""
    samples = session.samples
    targets = _targets(session, rows)
    changed = samples.changed(rows)
    if changed.all():
        images, targets = _changed(session, rows, targets, epoch)
    else:
        images = session.images.take(samples.index[rows])
        where = torch.from_numpy(np.flatnonzero(changed)).to(session.machine.device)
        if len(where):
            images[where], targets[where] = _changed(session, rows[changed], targets[where], epoch)
    return images.contiguous(memory_format=torch.channels_last), targets


def _targets(session: Session, rows: Indices) -> Tensor:
    """Return the targets (B, K) of samples before they are mixed."""
    labels = torch.from_numpy(session.data.source.labels[session.samples.index[rows]])
    return one_hot(labels, len(session.data.classes)).float().to(session.machine.device)


def _changed(session: Session, rows: Indices, targets: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
    samples = session.samples
    return session.pipeline(
        session.images.raw(samples.index[rows]),
        targets,
        seed=session.recipe.seed,
        epoch=samples.draw_epoch(epoch),
        sample_ids=torch.from_numpy(samples.ids(rows)),
        partners=_Partners(session),
    )


@attrs.frozen
class _Partners:
    """The samples of an epoch, to mix others with."""

    session: Session

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.session.samples)

    def __call__(self, numbers: Tensor) -> Samples:
        """Return the samples of ``numbers`` (B,)."""
        session, rows = self.session, numbers.numpy()
        samples = session.samples
        return Samples(
            images=session.images.raw(samples.index[rows]),
            targets=_targets(session, rows),
            ids=torch.from_numpy(samples.ids(rows)),
            changed=torch.from_numpy(samples.changed(rows)),
        )


def _without_sync(trained: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
    """Let DDP sum gradients in the last part of a batch only."""
    if isinstance(trained, DistributedDataParallel) and not last:
        return trained.no_sync()
    return nullcontext()


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step for dropout: a hash, as neighbouring seeds of torch's generator are not independent."""
    digest = hashlib.blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
