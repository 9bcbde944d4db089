from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from cellcls.api import Optimizer
from cellcls.builtin.optimizers import Adam, AdamW, Lion, Sgd
from cellcls.engine.memory import measured_state

ORACLES: list[tuple[Optimizer, Callable[[Any], torch.optim.Optimizer]]] = [
    (Adam(lr=0.01, weight_decay=0.1), lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, foreach=False)),
    (AdamW(lr=0.01, betas=(0.8, 0.9)), lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.9), foreach=False)),
    (Sgd(lr=0.1), lambda p: torch.optim.SGD(p, lr=0.1, foreach=False)),
    (
        Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, foreach=False),
    ),
]


def _train(build: Callable[[Any], torch.optim.Optimizer], steps: int = 5) -> list[torch.Tensor]:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(6 * 16, 2))
    network = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.randn(6, 3, 8, 8).to(memory_format=torch.channels_last)
    optimizer = build(network.parameters())
    for _ in range(steps):
        optimizer.zero_grad()
        network(images).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize(("component", "oracle"), ORACLES)
def test_steps_are_torchs(component: Optimizer, oracle: Callable[[Any], torch.optim.Optimizer]) -> None:
    ours = _train(lambda parameters: component.build(parameters=parameters))
    for mine, theirs in zip(ours, _train(oracle), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("component", [Lion(lr=1e-3), Adam(lr=1e-3), AdamW(lr=1e-3), Sgd(lr=1e-3, momentum=0.9)])
def test_two_runs_are_equal_bit_for_bit(component: Optimizer) -> None:
    first, second = (_train(lambda parameters: component.build(parameters=parameters)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_lion_steps_by_the_sign() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = Lion(lr=0.1, weight_decay=0.5).build(parameters=[weight])
    weight.grad = torch.tensor([5.0, -0.001, 0.0])
    optimizer.step()
    decayed = torch.tensor([1.0, -2.0, 3.0]) * (1 - 0.1 * 0.5)
    torch.testing.assert_close(weight.detach(), decayed - 0.1 * torch.tensor([1.0, -1.0, 0.0]))


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValueError, match="`nesterov` needs a `momentum`"):
        Sgd(lr=0.1, nesterov=True)


@pytest.mark.parametrize(
    "optimizer", [Sgd(lr=0.1), Sgd(lr=0.1, momentum=0.9), Adam(lr=0.1), AdamW(lr=0.1), Lion(lr=0.1)], ids=repr
)
def test_the_tensors_it_says_it_keeps_are_those_it_keeps(optimizer: Optimizer) -> None:
    assert optimizer.state_tensors() == measured_state(optimizer)
