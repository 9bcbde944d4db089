"""The work behind ``benchmarks/report.sh``: which runs, in which order, until when."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
LITE = ("requires=['cellcls-efficientnet-lite']", "backbone.use=efficientnet_lite0")


@attrs.frozen
class Planned:
    """One run: a recipe's variant, with what is changed for a smaller machine."""

    recipe: str
    variant: str | None = None
    changes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where it goes below the folder of all runs."""
        return Path(self.recipe) / (self.variant or self.recipe)


def _variants(recipe: str, names: str, *changes: str) -> list[Planned]:
    return [Planned(recipe, name, changes) for name in names.split()]


CPU = [
    Planned("lite"),
    Planned("cnn5", None, ("stages.0.epochs=4",)),
    *_variants("cleaning", "clean raw report_indices", "stages.1.epochs=1"),
    *_variants("optimizers", "lion adam adamw sgd", *LITE, "stages.0.epochs=3", "explain=[]"),
]
"""What two cores allow in about forty minutes: fewer epochs, and EfficientNet-Lite0 where other weights are missing."""

GPU = [
    Planned("final"),
    Planned("lite"),
    *_variants("cleaning", "clean raw report_indices"),
    *_variants("backbones", "convnextbase efficientnetv2m mobilenetv3small efficientnetb0 vgg16"),
    *_variants("optimizers", "lion adam adamw sgd"),
    *_variants("finetune", "effnetv2m_freeze500 effnetv2m_all convnext_freeze150 dense_head convnext_all"),
    *_variants("finetune", "effnetv2m_all_bn_frozen convnext_train150 effnetv2l_freeze700"),
    *_variants("finetune", "lite_head lite_freeze37 lite_all"),
    Planned("cnn5"),
    Planned("mobilenet_inception"),
    *_variants("tta", "lite_tta effnetv2l"),
    *_variants("gradcam_depth", "lite_depth effnetv2l"),
    *_variants("class_weights", "none balanced"),
    *_variants("oversample", "plain copies"),
    *_variants(
        "optimizers", "fair_lion_3em5 fair_lion_1em4 fair_lion_3em4 fair_adam_3em4 fair_adam_1em3 fair_adam_3em3"
    ),
    *_variants(
        "optimizers", "fair_adamw_3em4 fair_adamw_1em3 fair_adamw_3em3 fair_sgd_1em2 fair_sgd_1em1 fair_sgd_1p0"
    ),
    *_variants("augmentation", "none offline generator"),
]
"""Everything, at the recipes' own settings, most important first."""


def main() -> int:
    """Run until the time is up, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/report"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--profile", choices=["gpu", "cpu"])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--only", help="Recipes to run, comma-separated.")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    only = options.only.split(",") if options.only else None
    for planned in _profile(options.profile):
        if only and planned.recipe not in only:
            continue
        if time.monotonic() > end - 30:
            print(f"time is up before {planned.folder}; call again to go on", file=sys.stderr)
            break
        _run(planned, options, end)
    page = [sys.executable, str(ROOT / "tools" / "results_page.py"), str(options.runs)]
    return subprocess.run(page, check=False).returncode


def _profile(name: str | None) -> list[Planned]:
    import torch

    return GPU if (name or ("gpu" if torch.cuda.is_available() else "cpu")) == "gpu" else CPU


def _run(planned: Planned, options: argparse.Namespace, end: float) -> None:
    """Make one run, or go on with it; at the end of the time it is asked to stop, and saves its state."""
    folder = options.runs / planned.folder
    command = [sys.executable, "-m", "cellcls", "run"]
    if folder.exists():
        if not (folder / "state").exists():
            return
        command += ["--resume", str(folder)]
    else:
        command += [str(ROOT / "recipes" / f"{planned.recipe}.toml"), "--out", str(folder), "--data", str(options.data)]
        command += ["--variant", planned.variant] if planned.variant else []
        command += ["--weights", str(options.weights)] if options.weights else []
        for change in planned.changes:
            command += ["--set", change]
    print(" ".join(command), file=sys.stderr)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        process.wait(timeout=max(1.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
