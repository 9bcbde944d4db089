from __future__ import annotations

import pytest
import torch
from torch import nn

from cellcls.api import Head
from cellcls.builtin.heads import Inception, Linear, Mlp

HEADS = [
    Linear(),
    Linear(pool="flatten", dropout=0.5),
    Mlp(),
    Mlp(hidden=(7,), pool="flatten", dropout=0.1),
    Inception(),
    Inception(hidden=(12, 5)),
]


@pytest.mark.parametrize("head", HEADS)
def test_a_map_becomes_logits_and_every_parameter_learns(head: Head) -> None:
    torch.manual_seed(0)
    module = head.build(channels=6, size=(3, 2), num_classes=4).eval()
    logits = module(torch.rand(5, 6, 3, 2))
    assert logits.shape == (5, 4)
    logits.square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_linear_pools_first() -> None:
    module = Linear().build(channels=6, size=(3, 3), num_classes=4)
    features = torch.rand(2, 6, 3, 3)
    dense = module[-1]  # type: ignore[index]
    torch.testing.assert_close(module.eval()(features), dense(features.mean(dim=(2, 3))))


def test_flatten_sees_places() -> None:
    module = Linear(pool="flatten").build(channels=6, size=(3, 3), num_classes=4).eval()
    features = torch.rand(2, 6, 3, 3)
    assert not torch.allclose(module(features), module(features.flip(3)))


def test_sizes_of_the_reports_heads() -> None:
    branches = (576 * 64 + 64) + (576 * 48 + 48 + 9 * 48 * 64 + 64) + (576 * 16 + 16 + 25 * 16 * 32 + 32)
    block = branches + 576 * 32 + 32
    inception = Inception().build(channels=576, size=(3, 3), num_classes=8)
    assert _parameters(inception) == block + 192 * 8 + 8
    mlp = Mlp().build(channels=576, size=(3, 3), num_classes=8)
    assert _parameters(mlp) == 576 * 512 + 512 + 512 * 256 + 256 + 256 * 8 + 8


def test_dropout_acts_in_training_only() -> None:
    module = Linear(dropout=0.5).build(channels=64, size=(1, 1), num_classes=2)
    features = torch.rand(1, 64, 1, 1)
    assert not torch.equal(module.train()(features), module(features))
    assert torch.equal(module.eval()(features), module(features))
