"""Compare the report's augmentation pipeline with albumentations 2.0.8: images a second on one thread each.

    python benchmarks/augmentation.py [--rounds 7] [--json]

Both start from the same batches of 128 images (96, 96, 3) uint8 as a source gives them. Ours ends with float32
(128, 3, 96, 96) in 0..1; albumentations takes the images one by one and its uint8 results are stacked. The two take
turns in one process, and processor time is counted (equal to the clock's for one thread), so that other load on the
machine disturbs little. Needs ``pip install -e '.[benchmarks]'``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from cellcls.api import Augmentation
from cellcls.builtin import augmentations as ours
from cellcls.engine.pipeline import Pipeline

BATCH, SIZE = 128, 96
Images = NDArray[np.uint8]


def real_looking(count: int) -> Images:
    """Return images of a dark disc with grain on a lighter ground."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIZE, :SIZE]
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for image in images:
        centre, radius = random.uniform(40, 56, 2), random.uniform(15, 30)
        inside = np.hypot(x - centre[0], y - centre[1])[..., None] < radius
        colour = np.where(inside, random.uniform(60, 160, 3), random.uniform(180, 240, 3))
        image[:] = np.clip(colour + random.normal(0, 12, (SIZE, SIZE, 3)), 0, 255)
    return images


def our_pipeline(clahe: bool) -> Callable[[Images], object]:
    steps: list[Augmentation] = [
        ours.Hue(),
        ours.Saturation(),
        ours.Brightness(),
        ours.Contrast(),
        *([ours.Clahe(p=0.2)] if clahe else []),
        ours.Flip(),
        ours.Flip(axis="vertical"),
        ours.Crop(),
        ours.Rotate(),
        ours.Translate(),
        ours.Downscale(p=0.2),
        ours.Blur(p=0.2),
    ]
    pipeline = Pipeline([(step.p, step.build(size=SIZE)) for step in steps])
    ids, epoch = torch.arange(BATCH), iter(range(1_000_000))

    def run(images: Images) -> object:
        targets = torch.zeros(BATCH, 8)
        return pipeline(torch.from_numpy(images), targets, seed=0, epoch=next(epoch), sample_ids=ids)

    return run


def their_pipeline(clahe: bool) -> Callable[[Images], object]:
    down, up = cv2.INTER_AREA, cv2.INTER_LINEAR
    pipeline = A.Compose(
        [
            A.HueSaturationValue(hue_shift_limit=10, sat_shift_limit=51, val_shift_limit=0, p=1),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1),
            *([A.CLAHE(clip_limit=(2, 2), tile_grid_size=(8, 8), p=0.2)] if clahe else []),
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.RandomResizedCrop((SIZE, SIZE), scale=(0.64, 1.0), ratio=(1.0, 1.0), p=1),
            A.Affine(
                rotate=(-180, 180),
                translate_percent=(-0.1, 0.1),
                border_mode=cv2.BORDER_REFLECT,
                p=1,
            ),
            A.Downscale(scale_range=(0.5, 0.9), interpolation_pair={"downscale": down, "upscale": up}, p=0.2),
            A.GaussianBlur(blur_limit=(3, 5), sigma_limit=(0.8, 1.1), p=0.2),
        ]
    )
    return lambda images: np.stack([pipeline(image=image)["image"] for image in images])


def measure(clahe: bool, rounds: int) -> dict[str, float]:
    """Return the median images a second of both and the median of the rounds' ratios."""
    images = real_looking(BATCH)
    sides = {"cellcls": our_pipeline(clahe), "albumentations": their_pipeline(clahe)}
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, run in sides.items():
            start = time.process_time()
            for _ in range(5):
                run(images)
            if number:  # the first round warms up
                speeds[name].append(5 * BATCH / (time.process_time() - start))
    ratios = [a / b for a, b in zip(speeds["cellcls"], speeds["albumentations"], strict=True)]
    return {name: statistics.median(values) for name, values in speeds.items()} | {"ratio": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of five batches each")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    goals = {"without CLAHE": (False, 1.0), "CLAHE p = 0.2": (True, 0.7)}
    rows = {name: {**measure(clahe, arguments.rounds), "goal": goal} for name, (clahe, goal) in goals.items()}
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{'images/s, 1 thread':<20}{'cellcls':>10}{'albumentations':>16}{'ratio':>8}{'goal':>8}")
    for name, row in rows.items():
        print(f"{name:<20}{row['cellcls']:>10.0f}{row['albumentations']:>16.0f}{row['ratio']:>8.2f}{row['goal']:>8.1f}")


if __name__ == "__main__":
    main()
