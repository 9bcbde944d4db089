"""The state of a run on disk: enough to go on bit for bit after a kill at any moment.

One safetensors file, replaced as a whole: tensors of network, average and optimizer, and in its metadata where the run
stands, the history so far and the optimizer's numbers. Random numbers need no state: they are functions of the step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cellcls.engine.damage import ways_out_told
from cellcls.errors import DataError
from cellcls.ops.storage.files import JsonObject
from cellcls.ops.storage.tensor_files import DamagedError, open_tensors, save_tensors
from cellcls.runs.folder import RunFolder
from cellcls.runs.records import EpochRecord, file_data, from_data

StateDict = dict[str, Any]
"""The state of an optimizer, of one of its parameters or of a scaler, as torch gives and takes it."""


@attrs.define(kw_only=True)
class Progress:
    """Where a run stands: the next step to take, the sums of the running epoch and the history so far."""

    stage: int = attrs.field(default=0)
    epoch: int = attrs.field(default=0)
    step: int = attrs.field(default=0)
    total_steps: int = attrs.field(default=0)
    loss_sum: float = 0.0
    right: float = 0.0
    seen: float = 0.0
    seconds: float = 0.0
    drawn: list[list[int]] = attrs.field(factory=list)
    """Samples of each class that the running epoch's steps took, and how many of these were copies, (2, K)."""
    history: list[EpochRecord] = attrs.field(factory=list)
    ended: list[str | None] = attrs.field(factory=list)
    """For each stage that has ended, why it ended early (None: it did not)."""
    stop_reason: str | None = None
    """Why a callback asked the stage to end."""

    @drawn.validator
    def _two_rows(self, _attribute: object, value: list[list[int]]) -> None:
        if value and (len(value) != 2 or len(value[0]) != len(value[1])):
            raise ValueError("drawn: not two rows of equal length")

    @stage.validator
    @epoch.validator
    @step.validator
    @total_steps.validator
    def _counted(self, attribute: attrs.Attribute[int], value: int) -> None:
        if value < 0:
            raise ValueError(f"{attribute.name}: {value}")

    def count(self, loss_sum: float, right: float, seen: int, drawn: NDArray[np.int64], seconds: float) -> None:
        """Count a step that was taken."""
        self.drawn = (drawn + self.drawn if self.drawn else drawn).tolist()
        self.loss_sum += loss_sum
        self.right += right
        self.seen += seen
        self.seconds += seconds
        self.step += 1
        self.total_steps += 1

    def next_epoch(self) -> None:
        """Move on to the next epoch of the stage."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.right = self.seen = self.seconds = 0.0
        self.drawn = []

    def next_stage(self) -> None:
        """Move on to the next stage."""
        self.ended.append(self.stop_reason)
        self.stage, self.epoch, self.stop_reason = self.stage + 1, 0, None


@attrs.frozen(kw_only=True)
class _StateRecord:
    """What a state says beside its tensors."""

    progress: Progress
    optimizer: JsonObject
    scaler: JsonObject
    recipe: JsonObject


@attrs.frozen(kw_only=True)
class Saved:
    """A state as it was read."""

    progress: Progress
    network: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: StateDict | None
    scaler: StateDict
    recipe: dict[str, object]
    """The settings of the recipe it was saved with, by dotted name."""


def save_state(
    folder: RunFolder,
    progress: Progress,
    network: nn.Module,
    average: nn.Module | None,
    optimizer: torch.optim.Optimizer | None,
    scaler: StateDict,
    recipe: dict[str, object],
) -> None:
    """Write the state, as a whole or not at all. Raises ``WriteError``."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    numbers: JsonObject = {}
    if optimizer is not None:
        state = optimizer.state_dict()
        packed, rest = _packed(state["state"])
        tensors |= packed
        numbers = {"groups": state["param_groups"], "rest": rest}
    record = _StateRecord(progress=progress, optimizer=numbers, scaler=scaler, recipe=recipe)
    save_tensors(folder.saved, tensors, file_data(record))


def load_state(folder: RunFolder) -> Saved | None:
    """Read the state of a run; None where none was saved yet. Raises ``DamagedError``."""
    path = folder.saved
    if not path.exists():
        return None
    with ways_out_told(path), refused_as_damaged(path):
        file = open_tensors(path)
        tensors = file.read()
        record = from_data(file.about, _StateRecord, path)
        parts = {part: _below(tensors, part) for part in ("network", "average", "optimizer")}
        return Saved(
            progress=record.progress,
            network=parts["network"],
            average=parts["average"],
            optimizer=_unpacked(parts["optimizer"], record.optimizer) if record.optimizer else None,
            scaler=record.scaler,
            recipe=record.recipe,
        )


@contextmanager
def refused_as_damaged(path: Path) -> Iterator[None]:
    """Turn what reading or using a state raises into ``DamagedError``."""
    try:
        yield
    except (DataError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        reason = str(error.message if isinstance(error, DataError) else error).removeprefix(f"{path}: ")
        raise DamagedError(f"{path}: the saved state is damaged: {reason}") from error


def load_optimizer(optimizer: torch.optim.Optimizer, state: StateDict) -> None:
    """Give an optimizer the state it had, each tensor laid out in memory as its parameter is: fused kernels walk both
    side by side, and a file keeps no strides. Raises ``ValueError`` where a setting is of another type."""
    for own, given in zip(optimizer.param_groups, state["param_groups"], strict=True):
        for name in own.keys() - given.keys():
            given[name] = own[name]
        for name in own:
            if not _alike(own[name], given[name]):
                raise ValueError(f"optimizer: `{name}` is {given[name]!r}")
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _alike(own: object, given: object) -> bool:
    """Return whether a setting from a JSON file may stand for ``own``."""
    for kinds in ((bool,), (int, float), (str,), (list, tuple), (dict,)):
        if isinstance(own, kinds):
            return isinstance(given, kinds) and isinstance(given, bool) == isinstance(own, bool)
    return True


def _below(tensors: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def _packed(state: dict[int, StateDict]) -> tuple[dict[str, Tensor], JsonObject]:
    """Part an optimizer's state into tensors by name and what is plain JSON."""
    tensors: dict[str, Tensor] = {}
    rest: JsonObject = {}
    for number, values in state.items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                rest.setdefault(str(number), {})[name] = value
    return tensors, rest


def _unpacked(tensors: dict[str, Tensor], numbers: JsonObject) -> StateDict:
    state: dict[int, StateDict] = {int(number): dict(values) for number, values in numbers["rest"].items()}
    for name, value in tensors.items():
        number, _, what = name.partition(".")
        state.setdefault(int(number), {})[what] = value
    return {"state": state, "param_groups": numbers["groups"]}
