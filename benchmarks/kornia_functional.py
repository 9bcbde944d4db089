"""Compare operations of the engine with Kornia's functional API: time and result.

    python benchmarks/kornia_functional.py [--rounds 9] [--device cpu] [--json]

Both get the same 32 images (32, 3, 96, 96) float32 in 0..1 and take turns in one process, on one thread; processor time
is counted on the CPU, so that other load on the machine disturbs little. A ratio above 1 says how many times longer
Kornia takes. ``difference`` is the largest one between the two results, in levels of 255.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import attrs
import kornia
import torch
from torch import Tensor

from cellcls.ops.imaging import colour, geometry
from cellcls.ops.imaging.clahe import clahe
from cellcls.ops.imaging.corruptions import blur, compression, enhance, tones
from cellcls.ops.imaging.filters import gaussian_blur

BATCH, SIZE = 32, 96


@attrs.frozen
class Pair:
    """An operation of ours beside Kornia's."""

    name: str
    ours: Callable[[], Tensor]
    kornias: Callable[[], Tensor]


def pairs(device: torch.device) -> list[Pair]:
    """Return the operations that both have."""
    generator = torch.Generator().manual_seed(0)
    images = kornia.filters.gaussian_blur2d(torch.rand(BATCH, 3, SIZE, SIZE, generator=generator), (5, 5), (1.5, 1.5))
    images = images.to(device)
    turns = geometry.rotation(torch.rand(BATCH, generator=generator) * 360).to(device)
    sizes = (2 * (torch.rand(BATCH, generator=generator) * 4).long() + 3).to(device)
    sigma = 0.3 * ((sizes - 1) * 0.5 - 1) + 0.8
    degrees = torch.rand(BATCH, generator=generator) * 360
    factor = (0.5 + torch.rand(BATCH, generator=generator)).to(device)
    seeds = torch.rand(BATCH, 2, generator=generator).to(device)
    disk = kornia.filters.get_gaussian_kernel2d((9, 9), torch.tensor([[3.0, 3.0]])).to(device)
    whole = torch.ones(BATCH, device=device)
    return [
        Pair(
            "warp (rotation, bilinear, reflected)",
            lambda: geometry.warp(images, turns),
            lambda: kornia.geometry.transform.homography_warp(
                images, turns, (SIZE, SIZE), padding_mode="reflection", align_corners=False
            ),
        ),
        Pair(
            "CLAHE (8 x 8 tiles; ours of luma, Kornia's of each channel)",
            lambda: clahe(images, 2.0, 8),
            lambda: kornia.enhance.equalize_clahe(images, 2.0, (8, 8)),
        ),
        Pair(
            "Gaussian blur (a size for each image, to 9)",
            lambda: gaussian_blur(images, sizes.float(), 9),
            lambda: kornia.filters.gaussian_blur2d(images, (9, 9), sigma[:, None].expand(-1, 2)),
        ),
        Pair(
            "motion blur (a direction for each image)",
            lambda: blur.motion(images, 10, 5.0, degrees),
            lambda: kornia.filters.motion_blur(images, 9, degrees.to(device), torch.zeros(BATCH, device=device)),
        ),
        Pair(
            "defocus (a disk; Kornia: a filter of the same size)",
            lambda: blur.defocus(images, 10),
            lambda: kornia.filters.filter2d(images, disk, "reflect"),
        ),
        Pair(
            "brightness (a factor for each image)",
            lambda: colour.recolour(images, colour.brightness(factor)).clamp(0, 1),
            lambda: kornia.enhance.adjust_brightness_accumulative(images, factor),
        ),
        Pair(
            "saturation (ours in YIQ, Kornia's in HSV)",
            lambda: colour.recolour(images, colour.homogeneous(colour.saturation(factor))).clamp(0, 1),
            lambda: kornia.enhance.adjust_saturation(images, factor),
        ),
        Pair(
            "contrast (about the mean level)",
            lambda: enhance.contrast(images, 1.4),
            lambda: kornia.enhance.adjust_contrast_with_mean_subtraction(images, 1.4),
        ),
        Pair(
            "equalize",
            lambda: tones.equalize(images, 1.0, seeds),
            lambda: kornia.enhance.equalize(images),
        ),
        Pair(
            "posterize (3 bits)",
            lambda: tones.posterize(images, 3.0, seeds),
            lambda: kornia.enhance.posterize(images, 3),
        ),
        Pair(
            "solarize (threshold 0.5)",
            lambda: tones.solarize(images, 0.5, seeds),
            lambda: kornia.enhance.solarize(images, 0.5),
        ),
        Pair(
            "JPEG (quality 30; ours Pillow's, Kornia's differentiable)",
            lambda: compression.jpeg(images, 30),
            lambda: kornia.enhance.jpeg_codec_differentiable(images, 30 * whole),
        ),
    ]


def measure(pair: Pair, rounds: int, device: torch.device) -> dict[str, object]:
    """Return medians in milliseconds, their ratio and the largest difference of the results."""

    def seconds(work: Callable[[], Tensor]) -> float:
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        if device.type == "cuda":
            torch.cuda.synchronize()
        started = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return clock() - started

    first, second = pair.ours(), pair.kornias()
    times = [(seconds(pair.ours), seconds(pair.kornias)) for _ in range(rounds)]
    ours, kornias = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return {
        "operation": pair.name,
        "ours_ms": round(ours, 2),
        "kornia_ms": round(kornias, 2),
        "ratio": round(kornias / ours, 2),
        "difference": round(float((first - second).abs().max()) * 255, 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(given.device)
    rows = [measure(pair, given.rounds, device) for pair in pairs(device)]
    if given.json:
        print(
            json.dumps({"kornia": kornia.__version__, "torch": torch.__version__, "device": str(device), "rows": rows})
        )
        return
    print(f"kornia {kornia.__version__}, torch {torch.__version__}, {device}, batch {BATCH} of {SIZE} x {SIZE}")
    for row in rows:
        print(
            f"{row['operation']:<60} ours {row['ours_ms']:>8} ms   kornia {row['kornia_ms']:>8} ms   "
            f"ratio {row['ratio']:>6}   difference {row['difference']}"
        )


if __name__ == "__main__":
    main()
