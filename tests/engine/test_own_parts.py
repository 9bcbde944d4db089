"""A data set that brings parts of its own."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.recipes import ONE_EPOCH, tiny


@pytest.fixture
def parted(tmp_path: Path) -> Path:
    """Pictures in train and test, none in val."""
    for part, count in (("train", 10), ("test", 3)):
        for label, name in enumerate(("monocyte", "platelet")):
            folder = tmp_path / "set" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = np.random.default_rng([label, number, count]).integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / f"{number}.png")
    return tmp_path / "set"


def test_a_set_without_val_gets_it_from_its_train_part(
    make_job, execute, parted: Path, caplog: pytest.LogCaptureFixture
):
    job = make_job(tiny=tiny(ONE_EPOCH, dataset={"use": "folder", "file": str(parted)}, split=None))
    with caplog.at_level(logging.WARNING):
        execute(job)
    assert "brings no val part" in caplog.text
    record = json.loads(job.folder.data.read_text())
    assert {part: len(rows) for part, rows in record["parts"].items()} == {"train": 18, "val": 2, "test": 6}
    assert record["counts"]["val"] == {"monocyte": 1, "platelet": 1}
    assert {record["names"][row].split("/")[0] for row in record["parts"]["val"]} == {"train"}
