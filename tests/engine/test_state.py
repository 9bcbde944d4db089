"""A saved state goes on bit for bit, and a damaged one is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cellcls.engine.state import Progress, load_optimizer, load_state, save_state
from cellcls.errors import DataError
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors
from cellcls.runs.folder import RunFolder
from cellcls.runs.records import EpochRecord

OPTIMIZERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, amsgrad=True),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "plain": lambda parameters: torch.optim.SGD(parameters, lr=0.1),
    "rprop": lambda parameters: torch.optim.Rprop(parameters, lr=0.1),
}


def network() -> nn.Module:
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
    return made.to(memory_format=torch.channels_last)


def steps(made: nn.Module, optimizer: torch.optim.Optimizer, seeds: range) -> None:
    for seed in seeds:
        images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        made(images).square().sum().backward()
        optimizer.step()


def saved(folder: RunFolder, made: nn.Module, optimizer: torch.optim.Optimizer | None, progress: Progress) -> None:
    save_state(folder, progress, made, None, optimizer, {"scale": 8.0}, {"seed": 7})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path, name: str) -> None:
    calm, folder = network(), RunFolder(tmp_path)
    optimizer = OPTIMIZERS[name](calm.parameters())
    steps(calm, optimizer, range(3))
    saved(folder, calm, optimizer, Progress())
    steps(calm, optimizer, range(3, 6))

    state, resumed = load_state(folder), network()
    resumed.load_state_dict(state.network)
    again = OPTIMIZERS[name](resumed.parameters())
    load_optimizer(again, state.optimizer)
    steps(resumed, again, range(3, 6))
    for key, value in calm.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


def test_an_optimizers_tensors_lie_as_its_parameters_do(tmp_path: Path) -> None:
    made, folder = network(), RunFolder(tmp_path)
    optimizer = OPTIMIZERS["adamw"](made.parameters())
    steps(made, optimizer, range(1))
    saved(folder, made, optimizer, Progress())
    resumed = network()
    again = OPTIMIZERS["adamw"](resumed.parameters())
    load_optimizer(again, load_state(folder).optimizer)
    weight = resumed[0].weight
    assert weight.stride() != torch.empty(weight.shape).stride()  # channels last
    assert again.state[weight]["exp_avg"].stride() == weight.stride()


def test_where_a_run_stands_is_read_as_it_was_saved(tmp_path: Path) -> None:
    epoch = EpochRecord(stage=0, stage_name="1", epoch=0, lr=0.1, best=True, metrics={"val.loss": 0.1 + 0.2})
    progress = Progress(stage=1, step=2, total_steps=9, loss_sum=1 / 3, history=[epoch], ended=["enough"])
    folder = RunFolder(tmp_path)
    saved(folder, network(), None, progress)
    state = load_state(folder)
    assert state.progress == progress
    assert (state.optimizer, state.average) == (None, {})
    assert (state.scaler, state.recipe) == ({"scale": 8.0}, {"seed": 7})


def test_there_is_no_state_before_the_first(tmp_path: Path) -> None:
    assert load_state(RunFolder(tmp_path)) is None


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_state_cut_short_is_told(tmp_path: Path, keep: int) -> None:
    folder = RunFolder(tmp_path)
    saved(folder, network(), None, Progress())
    for file in (folder.recipe, folder.options):
        file.touch()
    folder.saved.write_bytes(folder.saved.read_bytes()[:keep])
    with pytest.raises(DataError, match="the saved state is damaged") as told:
        load_state(folder)
    assert "start it anew" in str(told.value)


def test_steps_are_summed_until_the_epoch_ends() -> None:
    progress = Progress()
    progress.count(2.0, 3, 4, np.array([[3, 1], [1, 0]]), 0.5)
    progress.count(1.0, 1, 2, np.array([[0, 2], [0, 2]]), 0.25)
    assert (progress.loss_sum, progress.right, progress.seen, progress.seconds) == (3.0, 4, 6, 0.75)
    assert progress.drawn == [[3, 3], [1, 2]]
    progress.next_epoch()
    assert (progress.epoch, progress.step, progress.total_steps) == (1, 0, 2)
    assert (progress.loss_sum, progress.seen, progress.drawn) == (0.0, 0.0, [])


def test_a_stage_remembers_why_it_ended_and_the_next_starts_afresh() -> None:
    progress = Progress(epoch=4, stop_reason="no better for 3 epochs")
    progress.next_stage()
    progress.next_stage()
    assert progress.ended == ["no better for 3 epochs", None]
    assert (progress.stage, progress.epoch, progress.stop_reason) == (2, 0, None)


@pytest.mark.parametrize(
    "change",
    [
        *({part: value} for part in ("progress", "optimizer", "scaler", "recipe") for value in ([], None, 3, "x")),
        *({"progress": {name: value}} for name in ("stage", "step") for value in (-1, 0.5, None, 10**30)),
        *({"progress": {"drawn": value}} for value in ([[1]], [[1, 2], [3]], [1, 2], [["a"], ["b"]])),
        {"progress": {"history": [{"stage": 0, "stage_name": "a", "epoch": 0, "val.loss": float("inf")}]}},
        *({"progress": {"more": 1}}, {"more": 1}, {"format": 1000}),
    ],
)
def test_a_state_that_says_what_no_run_saves_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    folder = RunFolder(tmp_path)
    saved(folder, network(), None, Progress())
    file = open_tensors(folder.saved)
    save_tensors(folder.saved, file.read(), file.about | change)
    with pytest.raises(DataError, match="the saved state is damaged"):
        load_state(folder)


@pytest.mark.parametrize("change", [{"lr": "fast"}, {"betas": 3}, {"weight_decay": True}, {"amsgrad": 1}])
def test_an_optimizers_settings_keep_their_types(change: dict[str, object]) -> None:
    optimizer = OPTIMIZERS["adamw"](network().parameters())
    state = optimizer.state_dict()
    del state["param_groups"][0]["eps"]
    load_optimizer(optimizer, state)
    assert optimizer.param_groups[0]["eps"] == 1e-8
    state["param_groups"][0].update(change)
    with pytest.raises(ValueError, match="optimizer: "):
        load_optimizer(optimizer, state)
