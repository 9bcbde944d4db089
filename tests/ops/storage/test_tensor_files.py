"""Files of tensors and what is to be known about them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from cellcls.errors import DataError
from cellcls.ops.storage.files import sweep
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.int64)}
ABOUT = {"recipe": "tiny", "rehearsal": False, "temperature": 1.25, "classes": ["basophil", "bøundary"], "none": None}


def test_what_is_saved_is_read(tmp_path: Path) -> None:
    save_tensors(tmp_path / "a.safetensors", TENSORS, ABOUT)
    file = open_tensors(tmp_path / "a.safetensors")
    assert file.about == ABOUT
    assert file.shapes == {"a": (4,), "b": (2, 3)}
    read = file.read()
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


def test_equal_content_makes_equal_bytes(tmp_path: Path) -> None:
    made = set()
    for number in range(8):
        save_tensors(tmp_path / f"{number}.safetensors", TENSORS, ABOUT)
        made.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(made) == 1


def test_a_kill_in_the_middle_leaves_nothing_that_a_sweep_does_not_take(tmp_path: Path) -> None:
    """safetensors writes a file of its own beside its target first, and a kill would leave that too."""
    path = tmp_path / "state" / "state.safetensors"
    save_tensors(path, {"a": torch.ones(3)}, {})
    code = (
        "import os, sys, torch; from pathlib import Path; from cellcls.ops.storage import tensor_files\n"
        "def killed(tensors, temporary, metadata):\n"
        "    (Path(temporary).parent / '.tmpAbC123').write_text('half'); os._exit(9)\n"
        "tensor_files.save_file = killed\n"
        "tensor_files.save_tensors(Path(sys.argv[1]), {'a': torch.zeros(3)}, {})\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 9
    assert len(list(path.parent.rglob("*"))) > 1
    sweep(path.parent)
    assert [left.name for left in path.parent.rglob("*")] == ["state.safetensors"]
    assert torch.equal(load_file(path)["a"], torch.ones(3))


TYPES = (torch.bfloat16, torch.float16, torch.float64, torch.uint8, torch.int16, torch.bool)


def test_every_type_and_shape_is_read_back(tmp_path: Path) -> None:
    tensors = {str(kind): torch.tensor([[0, 1], [1, 1]]).to(kind) for kind in TYPES}
    tensors |= {
        "number": torch.tensor(3.5),
        "none": torch.zeros(0, 3),
        "turned": torch.rand(2, 3, 4, 5).transpose(1, 3),
    }
    save_tensors(tmp_path / "a.safetensors", tensors, {})
    read = open_tensors(tmp_path / "a.safetensors").read()
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """The tensors of such a file were trained on."""
    path = tmp_path / "a.safetensors"
    save_tensors(path, TENSORS, {"recipe": "tiny", "temperature": 1.25})
    whole = path.read_bytes()
    read = open_tensors(path).read()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        try:
            file = open_tensors(path)
            found = file.read()
        except DataError:
            continue
        assert file.about == {"recipe": "tiny", "temperature": 1.25}, "the order of JSON's blanks may differ, no more"
        assert found.keys() == read.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in read.items())
