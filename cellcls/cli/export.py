"""The command ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.output import PathType, json_option, print_json
from cellcls.registry import load_registry
from cellcls.terminal import say, table

if TYPE_CHECKING:
    from cellcls.engine.export import Format

_COMPARED = {"codabench": "a clean process", "onnx": "onnxruntime", "hub": "timm"}


@click.command()
@click.argument("run", type=PathType())
@click.option(
    "--format",
    "to",
    type=click.Choice(["codabench", "onnx", "hub"]),
    required=True,
    help="A zip to submit, an ONNX file, or a folder in timm's layout with a model card.",
)
@click.option("--out", type=PathType(), required=True, help="The new file, or the new folder for `hub`.")
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="codabench: what loading and predicting 100 images may take; default 600.",
)
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MB",
    help="codabench: how large the zip may be; default: any size.",
)
@json_option
def export(run: Path, to: Format, out: Path, time_limit: float | None, max_size: float | None, as_json: bool) -> None:
    """Export a run's best weights for use without cellcls. The result is compared with the run before it is written."""
    registry = load_registry()
    from cellcls.engine.export import Limits, export_run

    given = {"seconds": time_limit, "megabytes": max_size}
    chosen = {name: value for name, value in given.items() if value is not None}
    made = export_run(run, to, out, registry, Limits(**chosen) if chosen else None)
    if made.rehearsal:
        say("cellcls: WARNING: these weights are from a rehearsal and cannot classify real cells")
    if not made.complete:
        say("cellcls: warning: the run is not finished; these are its best weights so far")
    if as_json:
        print_json(made.to_data())
        return
    agreement = made.agreement
    shown = {
        "file": str(made.out),
        "size": f"{made.bytes / 1e6:.2f} MB",
        "same labels": f"{agreement.same_labels} of {agreement.images}",
        "largest difference": f"{agreement.max_difference:.1e}",
    }
    if agreement.seconds is not None and agreement.load_seconds is not None:
        shown |= {"loaded in": f"{agreement.load_seconds:.1f} s", "predicted in": f"{agreement.seconds:.2f} s"}
    table(f"{to}, compared in {_COMPARED[to]} on {agreement.images} {agreement.images_of}", [shown])
