"""The work behind ``benchmarks/report.sh``: which runs, in which order, until when."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs

from cellcls.errors import ExitCode
from cellcls.runs.folder import RunFolder

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


SHORT = ("stages.0.epochs=1", "stages.1.epochs=1")
CPU = [
    Planned("lite"),
    Planned("cnn5", None, ("stages.0.epochs=4",)),
    *_variants("cleaning", "clean raw report_indices", "stages.1.epochs=1"),
    *_variants("optimizers", "lion adam adamw sgd", *LITE, "stages.0.epochs=3", "expand.copies=0", "explain=[]"),
    *_variants("tta", "lite_tta", *SHORT, "explain=[]"),
    *_variants("finetune", "lite_freeze37 lite_all", *SHORT, "explain=[]"),
    *_variants("class_weights", "none balanced", *SHORT),
    *_variants("oversample", "plain copies", *SHORT),
    *_variants("gradcam_depth", "lite_depth", *SHORT),
]
"""What two cores allow in about an hour: fewer epochs, and EfficientNet-Lite0 where other weights are missing."""

GPU = [
    Planned("quickstart"),
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
    """Run until the time is up, then write the page; 1 where a run failed."""
    options = _options()
    end = time.monotonic() + 60 * options.minutes
    only = options.only.split(",") if options.only else None
    failed = []
    for planned in _profile(options.profile):
        if only and planned.recipe not in only:
            continue
        if time.monotonic() > end - 30:
            print(f"time is up before {planned.folder}; call again to go on", file=sys.stderr)
            break
        if _run(planned, options, end) not in FINE:
            failed.append(str(planned.folder))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    page = [sys.executable, str(ROOT / "tools" / "results_page.py"), str(options.runs)]
    page += ["--out", str(options.page)] if options.page else []
    return subprocess.run(page, check=False).returncode or int(bool(failed))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="The challenge's file.")
    parser.add_argument("--runs", type=Path, default=Path("runs/report"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--profile", choices=["gpu", "cpu"], help="Default: by what the machine has.")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--only", help="Recipes to run, comma-separated.")
    parser.add_argument("--rehearse", action="store_true", help="Show that it works; the page counts no rehearsal.")
    parser.add_argument("--page", type=Path, help="Where the page is written; default: docs/results.md.")
    options = parser.parse_args()
    if not (options.data or options.rehearse):
        parser.error("give --data, or --rehearse")
    if options.data and not options.data.exists():
        parser.error(f"{options.data}: not there")
    return options


def _profile(name: str | None) -> list[Planned]:
    import torch

    return GPU if (name or ("gpu" if torch.cuda.is_available() else "cpu")) == "gpu" else CPU


FINE = (ExitCode.DONE, ExitCode.NO_INPUT, ExitCode.RESUMABLE, ExitCode.INTERRUPTED)
"""Done, no weights here (the page says so), or stopped when the time was up."""


def _run(planned: Planned, options: argparse.Namespace, end: float) -> int:
    """Make a run, or go on with it; at the end of the time it is asked to stop, and saves its state."""
    folder = options.runs / planned.folder
    if _is_complete(folder):
        return ExitCode.DONE
    command = [sys.executable, "-m", "cellcls", "run"]
    command += ["--resume", str(folder)] if folder.exists() else _new(planned, options, folder)
    print(" ".join(command), file=sys.stderr)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        return process.wait(timeout=max(1.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return process.wait()


def _new(planned: Planned, options: argparse.Namespace, folder: Path) -> list[str]:
    said = [str(ROOT / "recipes" / f"{planned.recipe}.toml"), "--out", str(folder)]
    for name in ("variant", "data", "weights", "threads"):
        value = planned.variant if name == "variant" else getattr(options, name)
        said += [f"--{name}", str(value)] if value is not None else []
    for change in planned.changes:
        said += ["--set", change]
    return [*said, *(["--rehearse"] if options.rehearse else [])]


def _is_complete(folder: Path) -> bool:
    """Tell whether a run, or every seed of one, is there and complete."""
    own = RunFolder(folder)
    runs = [own] if own.recipe.exists() else own.children()
    return bool(runs) and not any(run.state.exists() for run in runs)


if __name__ == "__main__":
    sys.exit(main())
