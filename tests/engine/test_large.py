"""A data set larger than the memory that training takes."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

COUNT, SIDE = 2600, 512


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_gigabytes_of_images_train_in_less_than_one(tmp_path: Path):
    """Stored npz are memory-mapped; the run samples its anonymous memory, imports included."""
    file = tmp_path / "large.npz"
    noise = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE, 3), dtype=np.uint8)
    labels = np.arange(COUNT) % 8
    with zipfile.ZipFile(file, "w") as made:
        with made.open("labels.npy", "w") as member:
            np.lib.format.write_array(member, labels)
        with made.open("images.npy", "w", force_zip64=True) as member:
            header = {"descr": "|u1", "fortran_order": False, "shape": (COUNT, SIDE, SIDE, 3)}
            np.lib.format.write_array_header_1_0(member, header)
            for number in range(COUNT):
                image = noise[number % 64].copy()
                image[0, :4, 0] = [number % 256, number // 256, 0, 1]  # no two alike
                member.write(image.tobytes())
    assert file.stat().st_size > 2e9
    (tmp_path / "large.toml").write_text('[dataset]\nuse = "npz"\nfile = "large.npz"\n[[stages]]\nepochs = 1\n')
    command = [sys.executable, "-m", "cellcls", "run", "large.toml", "--out", "run", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["memory_mb"] < 1000
