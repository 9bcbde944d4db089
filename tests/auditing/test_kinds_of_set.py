"""Every kind of data set is audited, decided on in the browser, and replayed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cellcls.auditing.results import write
from cellcls.ops.storage.hashing import content_hash

from .conftest import cell, save
from .test_page import download, replay

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELLS = [cell(number, size=48) for number in range(24)]
NOISE = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
PICTURES = [*CELLS, CELLS[0], NOISE]
"""The first once more, and what is no cell."""


def npz(place: Path) -> Path:
    np.savez(place / "set.npz", images=PICTURES, labels=np.arange(len(PICTURES)) % 3)
    return place / "set.npz"


def medmnist(place: Path) -> Path:
    parts = {"train": slice(0, 16), "val": slice(16, 20), "test": slice(20, None)}
    arrays = {f"{part}_images": np.stack(PICTURES[rows]) for part, rows in parts.items()}
    arrays |= {f"{part}_labels": np.arange(len(PICTURES))[rows, None] % 8 for part, rows in parts.items()}
    np.savez(place / "set.npz", **arrays)
    return place / "set.npz"


def folder(place: Path) -> Path:
    for number, picture in enumerate(PICTURES):
        save(place / "set" / ("basophil", "eosinophil", "lymphocyte")[number % 3] / f"{number}.png", picture)
    return place / "set"


def no_classes(place: Path) -> Path:
    for number, picture in enumerate(PICTURES):
        save(place / "set" / f"{number}.png", picture)
    return place / "set"


def of_a_plugin(place: Path) -> Path:
    pytest.importorskip("cellcls_bloodsets", reason="its sets are a package of their own")
    for number, picture in enumerate(PICTURES):
        part = "TestA" if number % 4 == 0 else "Train"
        save(place / "set" / part / ("Basophil", "Eosinophil", "Lymphocyte")[number % 3] / f"{number}.png", picture)
    return place / "set"


@pytest.mark.parametrize("make", [npz, medmnist, folder, no_classes, of_a_plugin], ids=lambda make: make.__name__)
def test_an_audit_of(make: Callable[[Path], Path], tmp_path: Path, run_audit, visit: Callable[..., Page]):
    audit = run_audit(make(tmp_path))
    hashes = audit.data.survey.hashes
    odd = hashes.index(content_hash(NOISE))
    (twice,) = np.flatnonzero(~audit.kept).tolist()
    assert hashes[twice] == content_hash(CELLS[0])
    assert odd in {index for finding in audit.findings if finding.kind == "suspects" for index in finding.images}
    leaks = [finding for finding in audit.findings if finding.kind == "leaks"]
    assert bool(leaks) == (make is medmnist)
    assert ("leaks" in audit.skipped_checks) == (make not in (medmnist, of_a_plugin))
    page = visit(write(audit, tmp_path / "out"))
    page.locator(f'input[data-index="{odd}"]').first.check()
    page.locator(f'input[data-index="{twice}"]').first.uncheck()
    decided = replay(download(page, tmp_path / "out/got.csv"), audit)
    assert odd in decided
    assert twice not in decided
