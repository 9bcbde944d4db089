"""What is told of a damaged file: which weights of its run are whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cellcls.engine.damage import refuse_damaged_weights, ways_out_told
from cellcls.errors import DataError
from cellcls.ops.storage.tensor_files import DamagedError, save_tensors
from cellcls.runs.folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path)
    for file in (folder.recipe, folder.options):
        file.touch()
    for file in (folder.best, folder.last, folder.stage(0, "warm")):
        save_tensors(file, {"a": torch.ones(3)}, {})
    return folder


def test_whole_weights_are_no_matter(folder: RunFolder) -> None:
    refuse_damaged_weights(folder)


def test_only_whole_weights_are_offered(folder: RunFolder) -> None:
    for file in (folder.best, folder.last):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"best\.safetensors: not a readable") as told:
        refuse_damaged_weights(folder)
    whole, anew = told.value.hints
    assert whole.endswith(f": {folder.stage(0, 'warm')}")
    assert f"cellcls run {folder.recipe} --out" in anew


def test_a_file_of_no_run_is_to_be_copied_again(tmp_path: Path) -> None:
    with pytest.raises(DamagedError) as told, ways_out_told(tmp_path / "model.safetensors"):
        raise DamagedError("damaged")
    assert told.value.hints == ("copy or download the file again",)


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(DataError) as told, ways_out_told(tmp_path / "model.safetensors"):
        raise DataError("weights of another network")
    assert told.value.hints == ()
