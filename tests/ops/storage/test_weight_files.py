from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cellcls.errors import DataError
from cellcls.ops.storage.weight_files import load_weights, read_weights


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    tensors = nn.Linear(3, 2).state_dict()
    save_file(tensors, tmp_path / "a.safetensors")
    read = read_weights(tmp_path / "a.safetensors")
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ""])
def test_pickles_are_refused_unopened(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    with pytest.raises(DataError, match=r"(?s)safetensors files only.*save_file"):
        read_weights(path)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"\xff" * 64])
def test_damaged_files_are_data_errors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        read_weights(path)


def test_a_cut_file_is_a_data_error(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(nn.Linear(30, 20).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        read_weights(path)


def test_the_first_mismatch_is_named_and_nothing_is_changed() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4)).state_dict()
    with pytest.raises(DataError, match=r"x: `1.weight` has shape \(4, 2\), expected \(5, 2\)"):
        load_weights(network, given, source="x")
    del given["0.bias"]
    with pytest.raises(DataError, match=r"x: lacks `0.bias`"):
        load_weights(network, given, source="x")
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_what_has_no_place_is_left_aside() -> None:
    given = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5)).state_dict()
    network = nn.Sequential(nn.Linear(3, 2))
    load_weights(network, given, source="x")
    assert torch.equal(network[0].weight, given["0.weight"])
