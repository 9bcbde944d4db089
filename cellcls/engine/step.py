"""One step of the optimizer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.nn.parallel import DistributedDataParallel

from cellcls.engine.data import Indices
from cellcls.engine.session import Session


@attrs.frozen(kw_only=True)
class StepFigures:
    """What a step measured over all processes: sums over its images."""

    loss_sum: float
    right: float
    seen: int


def take_step(session: Session, trained: nn.Module, batch: Indices, epoch: int) -> StepFigures:
    """Compute the mean loss of ``batch`` in parts, and change the weights once.

    The gradient is that of the mean over the whole batch, however it is parted over processes and ``accumulate``.
    ``trained`` is the network, or DDP's wrapping of it. ``epoch`` counts over all stages, for the draws.
    """
    machine, progress = session.machine, session.progress
    assert session.optimizer is not None
    session.optimizer.zero_grad(set_to_none=True)
    torch.manual_seed(_step_seed(session.recipe.seed, progress.total_steps, machine.rank))
    sums = torch.zeros(2, dtype=torch.float64, device=machine.device)
    parts = list(_own_parts(batch, machine.rank, machine.processes, session.recipe.train.accumulate))
    for number, (indices, weights) in enumerate(parts):
        images, targets = augmented(session, indices, epoch)
        weight = torch.from_numpy(weights).to(machine.device)
        with _without_sync(trained, last=number == len(parts) - 1):
            with machine.autocast():
                logits = trained(images)
            losses = session.loss(logits.float(), targets) * weight
            session.scaler.scale(losses.sum() * (machine.processes / len(batch))).backward()  # type: ignore[no-untyped-call]
        right = (logits.detach().argmax(1) == targets.argmax(1)) * weight
        sums += torch.stack([losses.detach().sum(), right.sum()]).double()
    session.scaler.step(session.optimizer)
    session.scaler.update()
    if session.average is not None:
        session.average.update(session.network)
    loss_sum, right_sum = machine.summed(sums).tolist()
    return StepFigures(loss_sum=loss_sum, right=right_sum, seen=len(batch))


def augmented(session: Session, indices: Indices, epoch: int) -> tuple[Tensor, Tensor]:
    """Return the images of ``indices`` as training sees them in an epoch, and their soft targets (B, K)."""
    labels = torch.from_numpy(session.data.source.labels[indices])
    targets = one_hot(labels, len(session.data.classes)).float().to(session.machine.device)
    images, targets = session.pipeline(
        session.images.raw(indices),
        targets,
        seed=session.recipe.seed,
        epoch=epoch,
        sample_ids=torch.from_numpy(indices),
    )
    return images.contiguous(memory_format=torch.channels_last), targets


def _own_parts(
    batch: Indices, rank: int, processes: int, accumulate: int
) -> Iterator[tuple[Indices, np.ndarray[Any, np.dtype[np.float32]]]]:
    """Yield this process's parts of a batch, each with a weight an image: 0 for one that only fills an empty part."""
    for part in np.array_split(batch, min(accumulate, max(1, len(batch) // processes))):
        own = part[rank::processes]
        if len(own):
            yield own, np.ones(len(own), np.float32)
        else:
            yield part[:1], np.zeros(1, np.float32)


def _without_sync(trained: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
    """Let DDP sum gradients in the last part of a batch only."""
    if isinstance(trained, DistributedDataParallel) and not last:
        return trained.no_sync()
    return nullcontext()


def _step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step for dropout: a hash, as neighbouring seeds of torch's generator are not independent."""
    digest = hashlib.blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
