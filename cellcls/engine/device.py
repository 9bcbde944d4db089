"""The machine a run is on: device, precision, threads, processes."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import attrs
import torch
import torch.distributed as dist

from cellcls.errors import UsageError
from cellcls.ops.processes.torchrun import processes, rank
from cellcls.runs.options import Options
from cellcls.runs.records import EnvironmentRecord


@attrs.frozen(kw_only=True)
class Machine:
    """Resolved once for a run and written into its environment."""

    device: torch.device
    precision: str
    threads: int
    rank: int = 0
    processes: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def record_in(self, environment: EnvironmentRecord) -> EnvironmentRecord:
        """Return the record of an environment with this machine in it."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else self.device.type
        return attrs.evolve(
            environment,
            device=self.device.type,
            device_name=name,
            precision=self.precision,
            threads=self.threads,
            processes=self.processes,
        )

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context the network computes in."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.precision))

    def now(self) -> float:
        """Return the clock's seconds when the device has done all that it was asked for."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        elif self.device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    def barrier(self) -> None:
        """Wait for the other processes."""
        if self.processes > 1:
            dist.barrier()

    def agreed(self, value: Any) -> Any:
        """Return the first process's value in every process."""
        if self.processes == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gathered(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of ranks."""
        if self.processes == 1:
            return [value]
        box: list[Any] = [None] * self.processes
        dist.all_gather_object(box, value)
        return box

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over the processes."""
        if self.processes > 1:
            dist.all_reduce(values)
        return values


def machine(options: Options, precision: str) -> Machine:
    """Resolve device and precision, set threads and determinism, join the processes of torchrun.

    Raises ``UsageError`` where the device is not there.
    """
    many = processes()
    device = _device(options.device)
    if device.type == "cuda" and many > 1:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if options.threads:
        torch.set_num_threads(options.threads)
    if many > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms does the same and imports torch._inductor
    # torch would fill every empty tensor, at 14 to 21% of a step's time; equality needs only those that are read
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property
    return Machine(
        device=device,
        precision=_precision(precision, device),
        threads=torch.get_num_threads(),
        rank=rank(),
        processes=many,
    )


def leave() -> None:
    """Leave the processes of torchrun."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def _device(name: str | None) -> torch.device:
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type in ("cpu", "cuda", "mps"):
            torch.empty(1, device=device)
            return device
    except (RuntimeError, AssertionError, NotImplementedError):
        pass
    there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    there += ["mps"] if torch.backends.mps.is_available() else []
    raise UsageError(f"--device {name}: not usable here", f"there is: {', '.join(there)}")


def _precision(wanted: str, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "float32"
