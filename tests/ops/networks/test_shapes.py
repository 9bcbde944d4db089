"""Shapes are found without memory for the tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from cellcls.errors import DataError
from cellcls.ops.networks.shapes import refuse_other_shapes, shapes_of


def test_shapes_are_those_of_the_state_dict() -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))

    assert shapes_of(build, "x") == {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}


def test_a_network_of_a_terabyte_costs_nothing() -> None:
    assert shapes_of(lambda: nn.Linear(10**6, 250_000), "x") == {"weight": (250_000, 10**6), "bias": (250_000,)}


@pytest.mark.parametrize("width", [10**14, 2**62, 10**30])
def test_a_network_that_torch_cannot_count_is_refused(width: int) -> None:
    with pytest.raises(DataError, match="x: its network cannot be built"):
        shapes_of(lambda: nn.Linear(10**6, width), "x")


def looks_at_values() -> nn.Module:
    return nn.Linear(2, int(torch.ones(3).sum().item()))


def moves_values() -> nn.Module:
    return nn.Linear(2, len(torch.ones(3).cpu()))


@pytest.mark.parametrize("build", [looks_at_values, moves_values])
def test_a_network_that_looks_at_values_has_none(build) -> None:
    assert shapes_of(build, "x") is None


def test_nothing_imports_torchs_compiler() -> None:
    code = (
        "import sys; from cellcls.ops.networks.shapes import shapes_of\n"
        "from cellcls.builtin.backbones.cnn5_network import build_features\n"
        "assert len(shapes_of(lambda: build_features((4, 4), size=32).module, 'x')) == 4\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_counters_of_batches_may_be_missing() -> None:
    refuse_other_shapes({"0.weight": (2,), "0.num_batches_tracked": ()}, {"0.weight": (2,)}, source="x")
    with pytest.raises(DataError, match=r"x: `0.weight` has shape \(3,\), expected \(2,\)"):
        refuse_other_shapes({"0.weight": (2,)}, {"0.weight": (3,)}, source="x")
