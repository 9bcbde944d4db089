"""The engine's training step beside a hand-written minimal PyTorch loop, interleaved; and what loading takes.

    python benchmarks/training_step.py [--model tf_efficientnet_lite0] [--rounds 6] [--steps 6] [--threads 2] [--json]

Goals on two cores with EfficientNet-Lite0 at 96 px: at least 0.97 of the minimal loop with channels_last, at least 1.7
of the one without, loading and augmentation under 15% of a step. Times on a shared machine are noisy: look at ratios.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cellcls.engine.device import machine as resolve_machine
from cellcls.engine.job import Job
from cellcls.engine.session import open_session
from cellcls.engine.stage import open_stage
from cellcls.engine.step import augmented, take_step
from cellcls.recipe import load
from cellcls.registry import load_registry
from cellcls.runs.folder import make_folder
from cellcls.runs.inputs import find_inputs
from cellcls.runs.options import Options

RECIPE = """
[dataset]
use = "synthetic"
images_per_class = 40
[backbone]
use = "timm"
model = "{model}"
[[stages]]
optimizer = {{ use = "adamw", lr = 1e-4 }}
{augment}
"""
AUGMENT = """
[[augment]]
use = "flip"
[[augment]]
use = "rotate"
[[augment]]
use = "crop"
[[augment]]
use = "translate"
[[augment]]
use = "hue"
[[augment]]
use = "saturation"
[[augment]]
use = "brightness"
[[augment]]
use = "contrast"
"""


def engine_session(model: str, folder: Path, threads: int, augment: str):
    recipe = folder / "step.toml"
    recipe.write_text(RECIPE.format(model=model, augment=augment))
    registry, options = load_registry(), Options(device="cpu", threads=threads)
    inputs = find_inputs(load(recipe, registry)[0].recipe, recipe, registry, options)
    out = make_folder(folder / f"run-{len(augment)}")
    session = open_session(
        Job(inputs=inputs, folder=out, options=options, registry=registry), resolve_machine(options, "float32")
    )
    session.network.train()
    return session


class Minimal:
    """What one writes by hand: the same network, batch, device and arithmetic, images already in memory as floats."""

    def __init__(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor, channels_last: bool) -> None:
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=layout).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4)
        self.images, self.labels = images.contiguous(memory_format=layout), labels

    def step(self) -> None:
        """Take one step."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = cross_entropy(self.network(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        loss.item()


def timed(steps: int, step: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - started) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        plain = engine_session(options.model, Path(name), options.threads, "")
        rich = engine_session(options.model, Path(name), options.threads, AUGMENT)
        batch = np.arange(32)
        indices = plain.samples.index[batch]
        labels = torch.from_numpy(plain.data.source.labels[indices])
        images = plain.images.take(indices)
        stage = open_stage(plain, 0)
        loops = {
            "engine": lambda: take_step(plain, stage, batch, 0),
            "minimal, channels_last": Minimal(plain.config.build(_features(plain)), images, labels, True).step,
            "minimal, contiguous": Minimal(plain.config.build(_features(plain)), images, labels, False).step,
            "loading and augmentation": lambda: augmented(rich, batch, 0),
        }
        seconds: dict[str, list[float]] = {which: [] for which in loops}
        for step in loops.values():
            timed(2, step)
        for _ in range(options.rounds):
            for which, step in loops.items():
                seconds[which].append(timed(options.steps, step))
    middle = {which: statistics.median(values) for which, values in seconds.items()}
    ratios = {
        "engine / minimal with channels_last": middle["minimal, channels_last"] / middle["engine"],
        "engine / minimal without": middle["minimal, contiguous"] / middle["engine"],
        "loading and augmentation / step": middle["loading and augmentation"] / middle["engine"],
    }
    found = {
        "model": options.model,
        "threads": options.threads,
        "images_per_second": {which: round(len(batch) / value, 1) for which, value in middle.items()},
        "ratios": {which: round(value, 3) for which, value in ratios.items()},
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for which, rate in found["images_per_second"].items():
        print(f"{which:<36}{rate:>10.1f} images/s")
    for which, ratio in found["ratios"].items():
        print(f"{which:<36}{ratio:>10.3f}")


def _features(session):
    return session.recipe.backbone.build(size=session.recipe.input.size, weights=None)


if __name__ == "__main__":
    main()
