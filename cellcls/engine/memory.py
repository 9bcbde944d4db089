"""How much memory a run takes: measured while it runs, estimated before."""

from __future__ import annotations

import copy
import sys
import threading
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from cellcls.api import Optimizer
from cellcls.engine.device import Machine
from cellcls.engine.evaluate import BATCH
from cellcls.engine.images import Images
from cellcls.recipe import Recipe

MEGA = 1e6
_COMPILER_MB = 86.0
"""What torch's compiler takes, which the first optimizer of a process imports (measured with torch 2.15)."""


def anonymous_mb(device: torch.device) -> float:
    """Return the megabytes taken: the peak allocated on a GPU, else this process's memory that no file backs.

    Without Linux's figures it is the process's peak, files included; on Windows, which tells neither, 0.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / MEGA
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123 - read at every step
            return next(int(line.split()[1]) * 1024 / MEGA for line in status if line.startswith("RssAnon"))
    except (OSError, StopIteration):
        return _peak_mb()


def _peak_mb() -> float:
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEGA if sys.platform == "darwin" else peak * 1024 / MEGA  # macOS counts bytes, the others KiB


class PeakMemory:
    """Samples the memory taken while a block runs; what it saw most is ``megabytes``."""

    def __init__(self, device: torch.device, *, every: float = 0.05) -> None:
        self.device = device
        self.every = every
        self.megabytes = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(self.every):
            self.megabytes = max(self.megabytes, anonymous_mb(self.device))


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records the bytes of the tensors alive after each operation while it is on."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.history: list[int] = []
        self.known: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to skip the compiler torch would import it

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in made if isinstance(made, tuple | list) else (made,):
            if isinstance(tensor, Tensor):
                self._count(tensor)
        self.history.append(self.now)
        return made

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.known:
            return
        self.known.add(key)
        size = storage.nbytes()
        self.now += size
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.now -= size


def estimate_mb(recipe: Recipe, network: nn.Module, images: Images, machine: Machine) -> float:
    """Return the peak to be expected of ``anonymous_mb`` while training, in megabytes.

    The bytes alive in a step and in a batch of an evaluation are counted; weights, gradients, the optimizer's tensors,
    images held on a GPU and what the process has now are added.
    """
    parts = max(1, recipe.train.accumulate * machine.processes)
    size = (max(1, recipe.train.batch_size // parts), 3, images.size, images.size)
    weights = sum(parameter.numel() for parameter in network.parameters()) * 4
    copies = 1 + _optimizer_tensors(recipe) + bool(recipe.train.ema_decay)
    train = _peak(network, size, backward=True)
    evaluation = _peak(network, (BATCH, *size[1:]), backward=False)
    held = weights * copies + max(train, evaluation)
    if machine.device.type == "cuda":
        first = images.source.read(np.arange(1))
        return (held + weights + first.nbytes * len(images.source)) / MEGA
    to_import = 0.0 if "torch._dynamo" in sys.modules else _COMPILER_MB
    return anonymous_mb(machine.device) + to_import + held / MEGA


def _peak(network: nn.Module, size: tuple[int, ...], *, backward: bool) -> int:
    """Return the peak of bytes alive beside the weights, for images of the shape ``size``.

    Bytes grow linearly with the number of images, so two and three images are enough: the meta device, where nothing
    would be computed, imports torch's compiler, which takes longer.
    """
    batch, *image = size
    two, three = (_bytes_alive(network, (images, *image), backward=backward) for images in (2, 3))
    return max(few + (more - few) * (batch - 2) for few, more in zip(two, three, strict=True))


def _bytes_alive(network: nn.Module, size: tuple[int, ...], *, backward: bool) -> list[int]:
    """Return the bytes alive after each operation of a step or, not ``backward``, of an evaluation."""
    ghost = copy.deepcopy(network).cpu().train(backward)
    counter = _LiveBytes()
    with torch.set_grad_enabled(backward), counter:
        images = torch.zeros(size).contiguous(memory_format=torch.channels_last)
        logits = ghost(images)
        if backward:
            logits.float().log_softmax(1).mean().backward()
    return counter.history


def _optimizer_tensors(recipe: Recipe) -> int:
    """Return how many tensors of a parameter's size the optimizers keep, at most."""
    known = [(stage.optimizer, stage.optimizer.state_tensors()) for stage in recipe.stages]
    return max((measured_state(optimizer) if count is None else count for optimizer, count in known), default=0)


def measured_state(optimizer: Optimizer) -> int:
    """Return how many tensors of a parameter's size an optimizer keeps after a step."""
    parameter = nn.Parameter(torch.zeros(2, 2))
    built = optimizer.build(parameters=[parameter])
    parameter.grad = torch.ones(2, 2)
    built.step()
    state = built.state.get(parameter, {})
    return sum(1 for value in state.values() if isinstance(value, Tensor) and value.shape == (2, 2))
