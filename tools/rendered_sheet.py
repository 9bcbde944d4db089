"""Draw the picture of the README: rendered cells, a row of each class.

python tools/rendered_sheet.py docs/images/cells.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cellcls.ops.classes import CLASSES
from cellcls.ops.render import render

COLUMNS = 12


def main() -> None:
    """Render and save."""
    rows = [
        np.concatenate([render(label, 1000 + column, size=64).image for column in range(COLUMNS)], axis=1)
        for label in range(len(CLASSES))
    ]
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(rows, axis=0)).save(target, optimize=True)


if __name__ == "__main__":
    main()
