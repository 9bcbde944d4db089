"""Small folders of rendered cells with planted faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.audit.record import Audit, audit
from cellcls.ops.render import render
from cellcls.registry import Registry, load_registry

CLASSES = ("basophil", "eosinophil", "lymphocyte")


def save(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def cell(number: int, size: int = 96) -> np.ndarray:
    return render((0, 1, 4)[number % 3], number, size=size).image


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cells(tmp_path: Path) -> Path:
    """A folder of 45 cells, 15 of each of three classes, named by number."""
    for number in range(45):
        save(tmp_path / "cells" / CLASSES[number % 3] / f"{number:02}.png", cell(number))
    return tmp_path / "cells"


@pytest.fixture
def look(registry: Registry) -> Callable[..., Audit]:
    return lambda path, **more: audit(path, registry, lambda *_: None, **more)
