"""A data set larger than the memory that training takes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cellcls.engine.train import run

COUNT, SIDE = 2600, 512


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_gigabytes_of_images_train_in_less_than_one(make_job, tmp_path: Path):
    """Stored npz are memory-mapped; the run samples its anonymous memory, and so does this test."""
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
    tiny = f'[dataset]\nuse = "npz"\nfile = "{file}"\n[backbone]\nuse = "cnn5"\n[[stages]]\nepochs = 1\n'
    job = make_job("", tiny=tiny)
    for _event in run(job):
        pass
    assert json.loads(job.folder.metrics.read_text())["memory_mb"] < 1000
