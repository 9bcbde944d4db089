"""Draw the pictures of the docs: rendered cells, and the figures of the runs that the tutorials describe.

python tools/docs_pictures.py docs/pictures

A page's figures come from the page's own recipe, so they are what its reader gets.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import render

TUTORIALS = Path(__file__).parents[1] / "docs/tutorials"
PAGES = {
    "your-first-run": ("heatmaps_grad_cam.png",),
    "read-a-report": ("confusion_test.png", "curves.png", "heatmaps_grad_cam.png"),
}
"""Figures of the run of a page's first recipe."""


def main() -> None:
    """Draw all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(classes()).save(folder / "classes.png", optimize=True)
    for page, names in PAGES.items():
        (folder / page).mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            drawn = figures(page, Path(place))
            for name in names:
                shutil.copy(drawn / name, folder / page)


def classes(size: int = 80) -> np.ndarray:
    """Return the sheet of the eight classes, a column each, (H, W, 3)."""
    gap = np.full((size, 4, 3), 255, np.uint8)
    rows = []
    for number in range(3):
        cells = [render(label, 1000 + number, size=size).image for label in range(len(CLASSES))]
        rows.append(np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1))
    space = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, space)][:-1], axis=0)


def block(page: str, language: str) -> str:
    """Return the text of a tutorial's first block with a title in a language."""
    text = (TUTORIALS / f"{page}.md").read_text(encoding="utf-8")
    found = re.search(rf'^```{language} title="[^"]+"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    assert found, f"{page}.md has no {language} block with a title"
    return found[1]


def figures(page: str, place: Path) -> Path:
    """Run a page's first recipe in ``place`` and return the folder with the figures of its report."""
    (place / "page.toml").write_text(block(page, "toml"), encoding="utf-8")
    execute(place, "-m", "cellcls", "run", "page.toml", "--out", "run")
    return place / "run/figures"


def execute(place: Path, *words: str) -> None:
    """Execute Python with ``words`` in ``place``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], cwd=place, check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    main()
