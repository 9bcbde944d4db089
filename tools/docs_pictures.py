"""Draw the pictures of the docs: rendered cells, and the figures of a small run.

python tools/docs_pictures.py docs/pictures
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from cellcls.ops.classes import CLASSES
from cellcls.ops.render import render

RECIPE = """\
name = "pictures"
[dataset]
use = "synthetic"
images_per_class = 80
[input]
size = 64
[[augment]]
use = "flip"
[[augment]]
use = "quarter_turn"
[backbone]
use = "cnn5"
filters = [16, 32, 64, 128]
[[stages]]
name = "train"
epochs = 10
optimizer = { use = "adam", lr = 2e-3 }
schedule = { use = "cosine" }
[[explain]]
use = "grad_cam"
images = 8
"""
FIGURES = ("confusion_test.png", "curves.png", "heatmaps_grad_cam.png")


def main() -> None:
    """Draw all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(classes()).save(folder / "classes.png", optimize=True)
    with tempfile.TemporaryDirectory() as place:
        for figure in figures(Path(place)):
            shutil.copy(figure, folder)


def classes(size: int = 80) -> np.ndarray:
    """Return the sheet of the eight classes, a column each, (H, W, 3)."""
    gap = np.full((size, 4, 3), 255, np.uint8)
    rows = []
    for number in range(3):
        cells = [render(label, 1000 + number, size=size).image for label in range(len(CLASSES))]
        rows.append(np.concatenate([part for cell in cells for part in (cell, gap)][:-1], axis=1))
    space = np.full((4, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, space)][:-1], axis=0)


def figures(place: Path) -> list[Path]:
    """Run the recipe in ``place`` and return the figures of its report."""
    (place / "pictures.toml").write_text(RECIPE)
    command = [sys.executable, "-m", "cellcls", "run", "pictures.toml", "--out", "run"]
    subprocess.run(command, cwd=place, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return [place / "run/figures" / name for name in FIGURES]


if __name__ == "__main__":
    main()
