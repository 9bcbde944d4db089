"""A stage in progress: what is trained, and the optimizer that trains it."""

from __future__ import annotations

import attrs
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cellcls.engine.freezing import freeze
from cellcls.engine.session import Session
from cellcls.engine.state import load_optimizer
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
    optimizer = settings.optimizer.build(parameters=[one for one in network.parameters() if one.requires_grad])
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    if session.optimizer_state is not None:
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
    )


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches; a last one of a single image is left out, as BatchNorm needs two."""
    return max(1, count // batch_size + (count % batch_size > 1))


def _record_stage(session: Session, number: int, frozen: tuple[str, ...]) -> None:
    trained = sum(one.numel() for one in session.network.parameters() if one.requires_grad)
    total = sum(one.numel() for one in session.network.parameters())
    name = session.recipe.stage_name(number)
    record = StageRecord(name=name, frozen=frozen, trained_parameters=trained, parameters=total)
    write(session.job.folder.stage(number, name).with_suffix(".json"), record)
