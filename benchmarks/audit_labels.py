"""Wrong labels and pictures of no cell planted among real cells: how many does the audit find?

    python benchmarks/audit_labels.py [training_set.npz] [--seeds 3] [--features efficientnet_lite0] [--json]

Without a file, the challenge's is made from the real cells in $CELLCLS_TEST_DATA. Once each, the real cells without
copies: of 5% of them the label is replaced by another class drawn at random; goal: 0.85 of those in the first 10% of
the ranking. What the audit lists is less than the ranking; how many of the flipped are among that, and how much of that
is flipped, is told beside it. Then photos, text and noise are put among them, 120 each; goal: 0.95 found. How many real
cells are flagged is told beside it: some are truly odd, none was looked at here. Ends with 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from audit_copies import challenge_file
from outcome import Goal, Table, at_least, finish
from PIL import Image, ImageDraw, ImageFilter

from cellcls.api import Source, WeightPlaces
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.curation.survey import survey
from cellcls.ops.curation.suspects import RULES, suspects
from cellcls.ops.curation.wrong_labels import find_wrong_labels
from cellcls.ops.storage.hashing import content_hash

FLIPPED, FIRST, FOUND, PLANTED = 0.05, 0.1, 0.85, 0.95
PER_SORT = 120
PHOTOS = ("astronaut", "coffee", "chelsea", "rocket")
CLASSES = 8


class Cells(Source):
    """Images in memory."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.class_names = tuple(map(str, range(CLASSES)))

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Return images."""
        return self.images[indices]


def real_cells(path: Path) -> Cells:
    """Return one image of each exact group that is no junk and has one label: 11,951."""
    with np.load(path) as file:
        images, labels = file["images"], file["labels"].astype(np.int64).ravel()
    groups = group_by_hash(tuple(map(content_hash, images)))
    places = groups.firsts()[~(groups.overrepresented() | groups.conflicting(labels))]
    return Cells(images[places], labels[places])


def alone(count: int) -> Groups:
    return group_by_hash(tuple(map(str, range(count))))


def flip(labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels with a share replaced by another class, and which."""
    chosen = rng.choice(len(labels), round(FLIPPED * len(labels)), replace=False)
    noisy = labels.copy()
    noisy[chosen] = (noisy[chosen] + rng.integers(1, CLASSES, len(chosen))) % CLASSES
    return noisy, chosen


def wrong_labels(features: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    noisy, chosen = flip(labels, np.random.default_rng(seed))
    start = time.perf_counter()
    found = find_wrong_labels(features, noisy, alone(len(labels)))
    seconds = time.perf_counter() - start
    first = found.order()[: round(FIRST * len(labels))]
    listed = np.flatnonzero(found.issue & (found.likely != noisy))  # as the audit does
    hits = np.intersect1d(listed, chosen)
    return {
        "found_in_first_tenth": float(np.isin(chosen, first).mean()),
        "listed": len(listed),
        "listed_recall": len(hits) / len(chosen),
        "listed_precision": len(hits) / max(len(listed), 1),
        "right_class": float((found.likely[chosen] == labels[chosen]).mean()),
        "accuracy": float((found.likely == labels).mean()),
        "seconds": seconds,
    }


def photo(rng: np.random.Generator) -> Image.Image:
    """A square of a photo, from 96 pixels to all of its height."""
    whole = getattr(skimage.data, PHOTOS[rng.integers(len(PHOTOS))])()
    side = int(rng.integers(96, min(whole.shape[:2]) + 1))
    top, left = (int(rng.integers(0, room - side + 1)) for room in whole.shape[:2])
    return Image.fromarray(whole[top : top + side, left : left + side]).resize((96, 96))


def text(rng: np.random.Generator) -> Image.Image:
    """Lines of letters, dark on light or light on dark, in any colour."""
    light, dark = (tuple(int(value) for value in rng.integers(*ends, 3)) for ends in ((180, 256), (0, 110)))
    ground, ink = (light, dark) if rng.random() < 0.8 else (dark, light)
    page = Image.new("RGB", (96, 96), ground)
    draw = ImageDraw.Draw(page)
    height = int(rng.integers(9, 22))
    for top in range(2, 96 - height, height + 2):
        letters = "".join(map(chr, rng.integers(97, 123, int(rng.integers(4, 18)))))
        draw.text((int(rng.integers(0, 12)), top), letters, fill=ink, font_size=height)
    return page


def noise(rng: np.random.Generator) -> Image.Image:
    """Uniform or normal noise in each pixel, or in blocks, or smoothed."""
    sort = rng.integers(4)
    if sort == 0:
        return Image.fromarray(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    if sort == 1:
        values = rng.normal(rng.uniform(60, 200, 3), rng.uniform(10, 60), (96, 96, 3))
        return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    blocks = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize(
        (96, 96), Image.Resampling.NEAREST
    )
    return blocks if sort == 2 else blocks.filter(ImageFilter.GaussianBlur(4))


SORTS = {"photo": photo, "text": text, "noise": noise}


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of no cell and the name of each one's sort."""
    rng = np.random.default_rng(seed)
    made = [np.asarray(draw(rng)) for draw in SORTS.values() for _ in range(PER_SORT)]
    return np.stack(made), np.repeat(list(SORTS), PER_SORT)


def no_cells(statistics: np.ndarray, seed: int) -> dict[str, Any]:
    images, sorts = planted(seed)
    everything = np.concatenate([statistics, survey(images.__getitem__, len(images)).statistics])
    start = time.perf_counter()
    found = suspects(everything, alone(len(everything)))
    seconds = time.perf_counter() - start
    flagged = np.isin(np.arange(len(everything)), [one.index for one in found])
    count = len(statistics)
    return {
        "found": {sort: float(flagged[count:][sorts == sort].mean()) for sort in SORTS},
        "found_of_all": float(flagged[count:].mean()),
        "real_flagged": int(flagged[:count].sum()),
        "real_flagged_by": {rule: sum(one.rule == rule and one.index < count for one in found) for rule in RULES},
        "seconds": seconds,
    }


def network_features(cells: Cells, name: str) -> np.ndarray:
    from cellcls.engine.device import machine
    from cellcls.engine.features import image_features, named_backbone, pretrained
    from cellcls.registry import load_registry
    from cellcls.runs.options import Options

    backbone = named_backbone(name, load_registry())
    built = pretrained(backbone, size=96, weights=WeightPlaces())
    return image_features(built, cells, machine(Options(), "float32"), size=96)


def measured(path: Path, seeds: int, network: str | None) -> dict[str, Any]:
    cells = real_cells(path)
    start = time.perf_counter()
    statistics = survey(cells.read, len(cells)).statistics
    results: dict[str, Any] = {"cells": len(cells), "survey_seconds": time.perf_counter() - start}
    spaces = {"statistics": statistics}
    if network:
        start = time.perf_counter()
        spaces[network] = network_features(cells, network)
        results["network_seconds"] = time.perf_counter() - start
    results["wrong_labels"] = {
        name: [wrong_labels(features, cells.labels, seed) for seed in range(seeds)] for name, features in spaces.items()
    }
    results["no_cells"] = [no_cells(statistics, seed) for seed in range(seeds)]
    return results


def goals(results: dict[str, Any]) -> Iterator[Goal]:
    """Yield the goals of each seed; a network is no goal of its own."""
    for seed, row in enumerate(results["wrong_labels"]["statistics"]):
        what = f"flipped labels in the first {FIRST:.0%} of the ranking, seed {seed}"
        yield at_least(what, FOUND, row["found_in_first_tenth"])
    for seed, row in enumerate(results["no_cells"]):
        for sort, share in row["found"].items():
            yield at_least(f"planted pictures found, {sort}, seed {seed}", PLANTED, share)


def tables(results: dict[str, Any]) -> Iterator[Table]:
    wrong = [
        {
            "judged by": name,
            "seed": str(seed),
            f"flipped in the first {FIRST:.0%}": f"{row['found_in_first_tenth']:.3f}",
            "flipped among the listed": f"{row['listed_recall']:.3f}",
            "listed": f"{row['listed']:,}",
            "of the listed, flipped": f"{row['listed_precision']:.3f}",
            "right class named": f"{row['right_class']:.3f}",
            "seconds": f"{row['seconds']:.1f}",
        }
        for name, rows in results["wrong_labels"].items()
        for seed, row in enumerate(rows)
    ]
    note = f"One pass over the images took {results['survey_seconds']:.1f} s."
    if "network_seconds" in results:
        note += f" The network's features took {results['network_seconds']:.1f} s."
    yield Table(f"{FLIPPED:.0%} of the labels of {results['cells']:,} real cells flipped", wrong, note)
    odd = [
        {"seed": str(seed), **{sort: f"{share:.3f}" for sort, share in row["found"].items()}}
        | {"real cells flagged": f"{row['real_flagged']:,}"}
        | {"by": ", ".join(f"{rule} {count}" for rule, count in row["real_flagged_by"].items() if count)}
        for seed, row in enumerate(results["no_cells"])
    ]
    yield Table(f"Pictures of no cell, {PER_SORT} a sort: share found", odd)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--features", help="a backbone to measure beside the statistics")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with challenge_file(options.file) as path:
        results = measured(path, options.seeds, options.features)
    return finish("audit_labels", results, list(goals(results)), list(tables(results)), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
