"""Files of tensors and what is to be known about them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

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
