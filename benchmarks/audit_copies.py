"""Exact and near copies planted among real cells: how many are found, and how many of those found are copies.

    python benchmarks/audit_copies.py [training_set.npz] [--per-sort 500] [--seed 0] [--similarity 0.8] [--json]

Without a file, the challenge's is made from the real cells in $CELLCLS_TEST_DATA. Copies of cells drawn anew for each
sort stand behind the real cells, each exact group once. A pair that has a planted copy in it is right when both come
from one cell. Pairs of two real cells are listed: somebody has to look at them. Goals: exact copies 1.00 and 1.00, near
copies recall at least 0.95 at precision at least 0.99. Ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from cellcls.ops.copies import group_by_hash
from cellcls.ops.hashing import content_hashes
from cellcls.ops.near_copies import find_near_copies
from cellcls.ops.perceptual import Fingerprints, fingerprints
from cellcls.ops.thresholds import SIMILARITY

Disguise = Callable[[np.ndarray, np.random.Generator], np.ndarray]
RECALL, PRECISION = 0.95, 0.99
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
    places = groups.firsts()[~groups.far_above_the_rest()]
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
        "exact": exact_copies(cells, options.per_sort, rng),
        "near": near,
        "among_real": among_real(ours, places, options.similarity),
    }


def missed(found: dict) -> list[str]:
    exact = found["exact"]
    names = [] if exact["recall"] == exact["precision"] == 1 else ["exact copies"]
    near = ((name, found["near"][name]) for name in SORTS)
    return names + [name for name, one in near if one["recall"] < RECALL or one["precision"] < PRECISION]


def show(found: dict) -> None:
    print(f"{found['cells']:,} real cells, similarity from {found['similarity']}, seed {found['seed']}")
    print(f"{'planted':<26}{'images':>8}{'recall':>9}{'precision':>11}")
    for name, one in {"byte-equal": found["exact"], **found["near"]}.items():
        print(f"{name:<26}{one['planted']:>8}{one['recall']:>9.3f}{one['precision']:>11.3f}")
    print("\npairs of real cells      similarity  symmetry")
    for pair in found["among_real"][:15]:
        mark = "" if pair["taken"] else "  (below)"
        print(f"{pair['first']:>8} {pair['second']:>8}{pair['similarity']:>18.3f}{pair['symmetry']:>10}{mark}")


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
    print(json.dumps(found, indent=1)) if options.json else show(found)
    names = missed(found)
    for name in names:
        print(f"missed: {name}", file=sys.stderr)
    return int(bool(names))


if __name__ == "__main__":
    sys.exit(main())
