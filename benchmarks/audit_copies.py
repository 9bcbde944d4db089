"""Exact and near copies planted among real cells: how many are found, and how many of those found are copies.

    python benchmarks/audit_copies.py [training_set.npz] [--per-sort 500] [--seed 0] [--similarity 0.8] [--json]

Without a file, the challenge's is made from the real cells in $CELLCLS_TEST_DATA. Copies of cells drawn anew for each
sort stand behind the real cells, each exact group once. A pair that has a planted copy in it is right when both come
from one cell. Exact copies are planted twice: as bytes, and as PNG, BMP and TIFF files that the folder data set reads.
Pairs of two real cells are listed: somebody has to look at them. Goals: exact copies 1.00 and 1.00, near copies recall
at least 0.95 at precision at least 0.99. Ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from outcome import Goal, Table, at_least, finish
from PIL import Image

from cellcls.api import Input
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.near_copies import find_near_copies
from cellcls.ops.curation.perceptual import Fingerprints, fingerprints
from cellcls.ops.curation.thresholds import SIMILARITY
from cellcls.ops.storage.hashing import content_hashes
from cellcls.registry import load_registry

Disguise = Callable[[np.ndarray, np.random.Generator], np.ndarray]
RECALL, PRECISION = 0.95, 0.99
ENCODINGS = {
    "PNG, compressed anew": (".anew.png", {"compress_level": 9}),
    "BMP": (".bmp", {}),
    "TIFF": (".tif", {"compression": "tiff_lzw"}),
}
"""Lossless formats: how their files end and are written."""
SHIFT = 3
"""Pixels, along both axes."""


def turned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rot90(image, rng.integers(1, 4))


def mirrored(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.rot90(image[:, ::-1], rng.integers(0, 4))


def recompressed(image: np.ndarray, _: np.random.Generator) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


def lighter(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(np.rint(image * rng.choice([0.9, 1.1])), 0, 255).astype(np.uint8)


def shifted(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift by 3 pixels along both axes; what comes in is the mirrored border."""
    down, across = rng.choice([0, 2 * SHIFT], 2)
    padded = np.pad(image, ((SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode="reflect")
    return padded[down : down + len(image), across : across + image.shape[1]]


def cropped(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Take 5% off each side's length at a random place and enlarge what is left to the old size."""
    size = len(image)
    side = round(0.95 * size)
    top, left = rng.integers(0, size - side + 1, 2)
    part = Image.fromarray(image[top : top + side, left : left + side])
    return np.asarray(part.resize((size, size), Image.Resampling.BILINEAR))


def all_at_once(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    for disguise in (turned, cropped, lighter, recompressed):
        image = disguise(image, rng)
    return image


SORTS: dict[str, Disguise] = {
    "turned by 90 degrees": turned,
    "mirrored": mirrored,
    "JPEG quality 30": recompressed,
    "brightness +-10%": lighter,
    "shifted 3 px": shifted,
    "cropped 5%": cropped,
}
HARDER: dict[str, Disguise] = {"turned, cropped, JPEG": all_at_once}
"""No goal, but good to know."""


@contextmanager
def challenge_file(path: Path | None) -> Iterator[Path]:
    """Give the file, made from the real cells where none is named."""
    if path is not None:
        yield path
        return
    data = Path(os.environ["CELLCLS_TEST_DATA"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "training_set.npz"
        maker = data.parent / "tools" / "make_challenge_npz.py"
        subprocess.run([sys.executable, maker, made, "--pack", data / "pbc96_train.zip"], check=True)
        yield made


def real_cells(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return one image of each exact group that is no junk, and its place in the file."""
    with np.load(path) as file:
        images = file["images"]
    groups = group_by_hash(content_hashes(images.__getitem__, len(images)))
    places = groups.firsts()[~groups.overrepresented()]
    return images[places], places


def prints_of(images: np.ndarray, batch: int = 64) -> Fingerprints:
    return Fingerprints.joined([fingerprints(images[i : i + batch]) for i in range(0, len(images), batch)])


def exact_copies(cells: np.ndarray, per_sort: int, rng: np.random.Generator) -> dict[str, float]:
    """Plant byte-equal copies; pairs are found by content hash."""
    origins = rng.choice(len(cells), per_sort, replace=False)
    everything = np.concatenate([cells, cells[origins]])
    copied = group_by_hash(content_hashes(everything.__getitem__, len(everything))).copied()
    found = {tuple(members.tolist()) for members in copied}
    planted = {(int(origin), len(cells) + number) for number, origin in enumerate(origins)}
    right = len(found & planted)
    return {"planted": per_sort, "recall": right / per_sort, "precision": right / max(len(found), 1)}


def reencoded(cells: np.ndarray, per_sort: int, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Plant copies as files of other formats beside the cells as PNG, and have the folder data set read all of them."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "set" / "cell"
        folder.mkdir(parents=True)
        for number, cell in enumerate(cells):
            Image.fromarray(cell).save(folder / f"{number}.png", compress_level=1)
        for ending, options in ENCODINGS.values():
            for number in rng.choice(len(cells), per_sort, replace=False):
                Image.fromarray(cells[number]).save(folder / f"{number}{ending}", **options)
        dataset = load_registry().find("dataset", "folder")(file=folder.parent)
        opened = dataset.build(path=folder.parent, input=Input(size=96), cache=Path(place) / "cache")
        found = group_by_hash(opened.hashes).copied()
        groups = [[opened.names[index].rpartition("/")[2] for index in members] for members in found]
    return {name: _of_ending(groups, ending, per_sort) for name, (ending, _) in ENCODINGS.items()}


def _of_ending(groups: list[list[str]], ending: str, planted: int) -> dict[str, float]:
    """Count the copies with one ending: those grouped with their cell, and how many of all their pairs are right."""
    pairs = [
        (name.partition(".")[0], other)
        for names in groups
        for name in names
        if name.endswith(ending)
        for other in names
        if other != name
    ]
    right = sum(other.partition(".")[0] == origin for origin, other in pairs)
    with_cell = sum(other == f"{origin}.png" for origin, other in pairs)
    return {"planted": planted, "recall": with_cell / planted, "precision": right / max(len(pairs), 1)}


def near_copies(
    cells: np.ndarray,
    ours: Fingerprints,
    disguise: Disguise,
    per_sort: int,
    similarity: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    """Plant disguised copies of random cells and look for them."""
    origins = rng.choice(len(cells), per_sort, replace=False)
    copies = np.stack([disguise(cells[origin], rng) for origin in origins])
    pairs = find_near_copies(Fingerprints.joined([ours, prints_of(copies)]), similarity=similarity)
    origin = np.concatenate([np.arange(len(cells)), origins])
    planted = pairs.second >= len(cells)
    right = (origin[pairs.first] == origin[pairs.second])[planted]
    precision = right.sum() / max(len(right), 1)
    return {"planted": per_sort, "recall": right.sum() / per_sort, "precision": float(precision)}


def among_real(ours: Fingerprints, places: np.ndarray, similarity: float) -> list[dict[str, float]]:
    """Return the pairs of real cells, most alike first, down to a little below the threshold."""
    pairs = find_near_copies(ours, similarity=similarity - 0.1)
    return [
        {
            "first": int(places[pairs.first[pair]]),
            "second": int(places[pairs.second[pair]]),
            "similarity": round(float(pairs.similarity[pair]), 3),
            "symmetry": int(pairs.symmetry[pair]),
            "taken": bool(pairs.similarity[pair] >= similarity),
        }
        for pair in np.argsort(-pairs.similarity, kind="stable")
    ]


def measure(path: Path, options: argparse.Namespace) -> dict[str, object]:
    cells, places = real_cells(path)
    ours = prints_of(cells)
    rng = np.random.default_rng(options.seed)
    near = {
        name: near_copies(cells, ours, disguise, options.per_sort, options.similarity, rng)
        for name, disguise in (SORTS | HARDER).items()
    }
    return {
        "cells": len(cells),
        "seed": options.seed,
        "similarity": options.similarity,
        "exact": {
            "byte-equal": exact_copies(cells, options.per_sort, rng),
            **reencoded(cells, options.per_sort, rng),
        },
        "near": near,
        "among_real": among_real(ours, places, options.similarity),
    }


def goals(found: dict) -> Iterator[Goal]:
    for name, one in found["exact"].items():
        for figure in ("recall", "precision"):
            yield at_least(f"exact copies, {name}: {figure}", 1, one[figure])
    for name in SORTS:
        yield at_least(f"near copies, {name}: recall", RECALL, found["near"][name]["recall"])
        yield at_least(f"near copies, {name}: precision", PRECISION, found["near"][name]["precision"])


def tables(found: dict) -> Iterator[Table]:
    planted = [
        {"sort": name, "planted": f"{one['planted']:,}"}
        | {figure: f"{one[figure]:.3f}" for figure in ("recall", "precision")}
        for name, one in {**found["exact"], **found["near"]}.items()
    ]
    note = f"Similarity from {found['similarity']:g}, seed {found['seed']}."
    yield Table(f"Copies planted among {found['cells']:,} real cells", planted, note)
    real = [
        {
            "first": str(pair["first"]),
            "second": str(pair["second"]),
            "similarity": f"{pair['similarity']:.3f}",
            "counts as near copies": "yes" if pair["taken"] else "no",
        }
        for pair in found["among_real"][:15]
    ]
    yield Table("Pairs of real cells, the most alike", real)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--per-sort", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--similarity", type=float, default=SIMILARITY)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with challenge_file(options.file) as path:
        found = measure(path, options)
    return finish("audit_copies", found, list(goals(found)), list(tables(found)), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
