"""A stage in progress: what is trained, and the optimizer that trains it."""

from __future__ import annotations

import attrs
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cellcls.engine.batches import smallest_part, steps_per_epoch
from cellcls.engine.damage import ways_out_told
from cellcls.engine.freezing import freeze, needing_two
from cellcls.engine.session import Session
from cellcls.engine.state import load_optimizer, refused_as_damaged
from cellcls.recipe import Stage
from cellcls.runs.records import StageRecord, write


@attrs.frozen(kw_only=True, eq=False)
class StageRun:
    """A stage in progress: what its steps need besides the session."""

    number: int
    name: str
    settings: Stage
    frozen: tuple[str, ...]
    """Names of the frozen submodules of the backbone."""
    trained: nn.Module
    """The network, or DDP's wrapping of it."""
    optimizer: torch.optim.Optimizer
    """The optimizer of the parameters that are not frozen."""
    steps: int
    """Steps per epoch."""
    fewest: int
    """Images that a process computes at a time, at least."""

    @property
    def lr(self) -> float:
        """The current learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def initial_lr(self) -> float:
        """The learning rate before the schedule."""
        return float(self.optimizer.param_groups[0]["initial_lr"])

    def scale_lr(self, factor: float) -> None:
        """Set the learning rate to ``factor`` times the initial one."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def open_stage(session: Session, number: int) -> StageRun:
    """Freeze what the stage freezes, build its optimizer, and load the optimizer's state when resuming within it."""
    recipe, network = session.recipe, session.network
    settings = recipe.stages[number]
    frozen = freeze(network, recipe, settings)
    optimizer = settings.optimizer.build(
        parameters=[parameter for parameter in network.parameters() if parameter.requires_grad]
    )
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    if session.optimizer_state is not None:
        with ways_out_told(session.job.folder.saved), refused_as_damaged(session.job.folder.saved):
            load_optimizer(optimizer, session.optimizer_state)
        session.optimizer_state = None
    if session.machine.first:
        _record_stage(session, number, frozen)
    return StageRun(
        number=number,
        name=recipe.stage_name(number),
        settings=settings,
        frozen=frozen,
        trained=DistributedDataParallel(network) if session.machine.processes > 1 else network,
        optimizer=optimizer,
        steps=1 if session.job.options.rehearse else steps_per_epoch(len(session.samples), recipe.train.batch_size),
        fewest=2 if _has_lone_images(session) and needing_two(network, recipe, settings) else 1,
    )


def _has_lone_images(session: Session) -> bool:
    train, processes = session.recipe.train, session.machine.processes
    count = len(session.samples)
    return smallest_part(count, train.batch_size, processes=processes, accumulate=train.accumulate) < 2


def _record_stage(session: Session, number: int, frozen: tuple[str, ...]) -> None:
    trained = sum(parameter.numel() for parameter in session.network.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in session.network.parameters())
    name = session.recipe.stage_name(number)
    record = StageRecord(name=name, frozen=frozen, trained_parameters=trained, parameters=total)
    write(session.job.folder.stage(number, name).with_suffix(".json"), record)
