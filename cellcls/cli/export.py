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
@json_option
def export(run: Path, to: Format, out: Path, as_json: bool) -> None:
    """Export a run's best weights for use without cellcls. The result is compared with the run before it is written."""
    registry = load_registry()
    from cellcls.engine.export import export_run

    summary = export_run(run, to, out, registry)
    if summary["rehearsal"]:
        say("cellcls: WARNING: these weights are from a rehearsal and cannot classify real cells")
    if not summary["complete"]:
        say("cellcls: warning: the run is not finished; these are its best weights so far")
    if as_json:
        print_json(summary)
        return
    shown = {
        "file": summary["out"],
        "size": f"{summary['bytes'] / 1e6:.2f} MB",
        "same labels": f"{summary['same_labels']} of {summary['images']}",
        "largest difference": f"{summary['max_difference']:.1e}",
    }
    if "seconds" in summary:
        shown |= {"loaded in": f"{summary['load_seconds']:.1f} s", "predicted in": f"{summary['seconds']:.2f} s"}
    table(f"{to}, compared in {_COMPARED[to]} on {summary['images']} {summary['images_of']}", [shown])
