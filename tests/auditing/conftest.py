"""Small folders of rendered cells with planted faults, and a browser that watches the pages it opens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from cellcls.auditing.audit import Audit, audit_dataset
from cellcls.ops.rendering.cells import render
from cellcls.registry import Registry, load_registry

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

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
def run_audit(registry: Registry) -> Callable[..., Audit]:
    return lambda path, **more: audit_dataset(path, registry, lambda *_: None, **more)


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page from its file, running ``before`` first; it must ask for nothing else and complain of nothing."""
    context = chromium.new_context()
    context.set_default_timeout(5_000)
    visited: set[str] = set()
    asked: list[str] = []
    problems: list[str] = []

    def go(page: Path, before: str = "") -> Page:
        shown = context.new_page()
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        shown.on("request", lambda request: asked.append(request.url))
        if before:
            shown.add_init_script(before)
        visited.add(page.resolve().as_uri())
        shown.goto(page.resolve().as_uri())
        return shown

    yield go
    context.close()
    assert problems == []
    assert visited <= set(asked)
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == visited
