"""Draw every corruption at every severity on real cells, to be looked at: a row a corruption, one of each class.

    python benchmarks/corruption_sheet.py DATA OUT.png [--size 96] [--seed 0]

DATA: a folder that holds ``pbc96_train.zip``, or that zip, or any zip of pictures with one folder a class. The first
column is the picture as it is. ``competition`` has a row for each class, as its chains differ from cell to cell.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from cellcls.api import Corruption
from cellcls.engine.corruption import corrupt
from cellcls.ops.imaging.colour import from_uint8
from cellcls.registry import load_registry

SEVERITIES, LABEL, GAP, ENDINGS = range(1, 6), 130, 2, (".webp", ".png", ".jpg", ".jpeg", ".bmp")


def cells(path: Path, size: int) -> Tensor:
    """Return the first picture of each class (K, 3, S, S) in 0..1."""
    found: dict[str, str] = {}
    with zipfile.ZipFile(path / "pbc96_train.zip" if path.is_dir() else path) as pack:
        for name in sorted(pack.namelist()):
            if name.lower().endswith(ENDINGS):
                found.setdefault(str(Path(name).parent), name)
        images = [
            Image.open(io.BytesIO(pack.read(name))).convert("RGB").resize((size, size)) for name in found.values()
        ]
    return from_uint8(torch.from_numpy(np.stack([np.asarray(image) for image in images])))


def rows(images: Tensor, seed: int) -> list[tuple[str, Tensor]]:
    """Return a name and pictures (6, 3, S, S) for each row: as it is, then severity 1 to 5."""
    ids, made = torch.arange(len(images)), []
    offered = load_registry().components["corruption"]
    for number, (name, cls) in enumerate(offered.items()):
        component = cls()
        assert isinstance(component, Corruption)
        built = [component.build(severity=severity, size=images.shape[-1]) for severity in SEVERITIES]
        shown = torch.stack([images, *(corrupt(operation, images, ids, seed=seed) for operation in built)])
        chosen = range(len(images)) if component.suite == "competition" else [number % len(images)]
        made += [(name, shown[:, cell]) for cell in chosen]
    return made


def sheet(drawn: list[tuple[str, Tensor]]) -> Image.Image:
    """Return the rows as one picture with their names on the left."""
    side = drawn[0][1].shape[-1]
    step = side + GAP
    page = Image.new("RGB", (LABEL + step * (len(SEVERITIES) + 1), step * len(drawn)), "white")
    pen = ImageDraw.Draw(page)
    for row, (name, pictures) in enumerate(drawn):
        pen.text((4, row * step + side // 2), name, fill="black")
        for column, picture in enumerate(pictures):
            pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
            page.paste(Image.fromarray(pixels), (LABEL + column * step, row * step))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("out", type=Path, metavar="OUT.png")
    parser.add_argument("--size", type=int, default=96, help="side of the pictures in pixels")
    parser.add_argument("--seed", type=int, default=0, help="seed of the corruptions")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sheet(rows(cells(arguments.data, arguments.size), arguments.seed)).save(arguments.out)


if __name__ == "__main__":
    main()
