"""The command line in this process (quick) and in one of its own, a tiny trained run and the data sets to use it on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from PIL import Image
from support.recipes import ONE_EPOCH, tiny

from cellcls.cli import main
from cellcls.ops.rendering.cells import render

TINY = "# tiny.toml: a few rendered cells and a few hundred weights\n" + tiny(ONE_EPOCH)


@attrs.frozen
class Said:
    """What a command ended with."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout, which must be one JSON document and nothing else."""
        return json.loads(self.out)


Cli = Callable[..., Said]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process; its code must be one that is promised, its messages no traceback."""

    def call(*args: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        said = Said(int(ended.value.code or 0), *capfd.readouterr())
        assert "Traceback" not in said.out + said.err
        assert "\x1b" not in said.out + said.err, "escape codes although this is no terminal"
        return said

    return call


@pytest.fixture
def process() -> Cli:
    """Run a command as ``python -m cellcls`` in a process of its own."""

    def call(*args: object, cwd: Path | None = None, **environment: str) -> Said:
        command = [sys.executable, "-m", "cellcls", *map(str, args)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=cwd, env=os.environ | environment, timeout=60, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """Work in a folder of the test's own, which holds tiny.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CELLCLS_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.delenv("CELLCLS_DATA", raising=False)
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoded copies of these tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A trained run; tests change nothing in it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.toml").write_text(tiny('[[stages]]\nepochs = 20\noptimizer = { use = "adam", lr = 1e-2 }\n'))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLCLS_CACHE", str(cache))
        with pytest.raises(SystemExit) as ended:
            main(["run", str(folder / "tiny.toml"), "--out", str(folder / "run"), "--device", "cpu"])
    assert ended.value.code == 0
    return folder / "run"


def cells(count: int = 40, size: int = 32, first: int = 900_000) -> tuple[np.ndarray, np.ndarray]:
    """Return rendered cells (count, size, size, 3) of the eight classes in turn, and their labels."""
    labels = np.arange(count) % 8
    return np.stack([render(int(label), first + n, size=size).image for n, label in enumerate(labels)]), labels


@pytest.fixture(scope="session")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    return cells()


@pytest.fixture
def challenge(place: Path, labelled: tuple[np.ndarray, np.ndarray]) -> Path:
    """A file in the challenge's layout."""
    images, labels = labelled
    np.savez(place / "cells.npz", images=images, labels=labels)
    return place / "cells.npz"


@pytest.fixture
def medmnist(place: Path, labelled: tuple[np.ndarray, np.ndarray]) -> Path:
    """A file in MedMNIST's layout: 24 images to train on, 8 in each other part."""
    images, labels = labelled
    parts = {"train": slice(0, 24), "val": slice(24, 32), "test": slice(32, 40)}
    arrays = {f"{part}_images": images[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": labels[rows][:, None].astype(np.uint8) for part, rows in parts.items()}
    np.savez_compressed(place / "medmnist.npz", **arrays)
    return place / "medmnist.npz"


FOLDER = {"ig": 3, "Basophils": 0, "thrombocyte": 7}
"""Class folders under names other sets use, and the labels they mean."""


@pytest.fixture
def pictures(place: Path) -> Path:
    """A folder of images of different sizes, three classes under other sets' names."""
    for name, label in FOLDER.items():
        (place / "pictures" / name).mkdir(parents=True)
        for number in range(4):
            image = render(label, 700_000 + number, size=40 + 3 * number).image
            Image.fromarray(image).save(place / "pictures" / name / f"{number}.png")
    return place / "pictures"
