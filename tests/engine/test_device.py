"""The machine of a run: which device and precision it resolves to, and what processes tell each other."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from support.sources import CPU

from cellcls.engine.device import Machine, leave, machine
from cellcls.errors import UsageError
from cellcls.runs.options import Options
from cellcls.runs.records import EnvironmentRecord


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "cpu:x"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=f"--device {name}: not usable here") as told:
        machine(Options(device=name), "float32")
    assert "there is: cpu" in str(told.value)


@pytest.mark.parametrize(("wanted", "found"), [("auto", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")])
def test_a_processor_computes_in_float32_unless_told_otherwise(wanted: str, found: str) -> None:
    made = machine(Options(device="cpu"), wanted)
    assert (made.precision, made.device.type, made.first) == (found, "cpu", True)
    with made.autocast():
        assert str((torch.eye(2) @ torch.eye(2)).dtype) == f"torch.{found}"


def test_threads_are_those_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        assert machine(Options(device="cpu", threads=before + 1), "float32").threads == before + 1
        assert torch.get_num_threads() == before + 1
        assert machine(Options(device="cpu"), "float32").threads == before + 1  # not said: left as it is
    finally:
        torch.set_num_threads(before)


def test_the_machine_of_a_run_is_deterministic() -> None:
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
    machine(Options(device="cpu"), "float32")
    assert (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic) == (False, True)
    assert torch.get_deterministic_debug_mode() == 1  # warns
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.utils.deterministic.fill_uninitialized_memory  # equality does not need it, and it takes time


def test_the_record_says_what_equality_of_runs_needs() -> None:
    here = Machine(device=torch.device("cpu"), precision="bfloat16", threads=3, processes=2, rank=1)
    assert here.record_in(EnvironmentRecord(python="3.11.2")) == EnvironmentRecord(
        python="3.11.2", device="cpu", device_name="cpu", precision="bfloat16", threads=3, processes=2
    )


def test_a_single_process_agrees_with_itself() -> None:
    tensor = torch.tensor([1.0, 2.0])
    assert (CPU.agreed("x"), CPU.gathered("x")) == ("x", ["x"])
    assert torch.equal(CPU.summed(tensor), torch.tensor([1.0, 2.0]))


def _process(rank: int, folder: Path) -> None:
    """What each of two processes of torchrun does."""
    os.environ.update(WORLD_SIZE="2", RANK=str(rank))
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    here = machine(Options(device="cpu"), "float32")
    said = {
        "first": here.first,
        "agreed": here.agreed(f"of {rank}"),
        "gathered": here.gathered({"rank": rank}),
        "summed": here.summed(torch.tensor([1.0, float(rank)])).tolist(),
    }
    here.barrier()
    leave()
    (folder / f"{rank}.json").write_text(json.dumps({**said, "left": not dist.is_initialized()}))


def test_two_processes_tell_each_other(tmp_path: Path) -> None:
    children = []
    for rank in (0, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside torch's threads
            child = os.fork()
        if not child:
            code = 1
            try:
                _process(rank, tmp_path)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert (first.pop("first"), second.pop("first")) == (True, False)
    assert first == second
    assert first == {"agreed": "of 0", "gathered": [{"rank": 0}, {"rank": 1}], "summed": [2.0, 1.0], "left": True}
