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
@click.option("--out", type=PathType(), required=True, help="The new file, of `hub` the new folder.")
@json_option
def export(run: Path, to: Format, out: Path, as_json: bool) -> None:
    """Take a run's best weights out of cellcls; what is written is first tried against the run itself."""
    registry = load_registry()
    from cellcls.engine.export import export_run

    told = export_run(run, to, out, registry)
    if told["rehearsal"]:
        say("cellcls: WARNING: these are the weights of a rehearsal: they know nothing about blood cells")
    if not told["complete"]:
        say("cellcls: warning: the run has not come to its end; these are its best weights so far")
    if as_json:
        print_json(told)
        return
    shown = {
        "file": told["out"],
        "size": f"{told['bytes'] / 1e6:.2f} MB",
        "same labels": f"{told['same_labels']} of {told['images']}",
        "largest difference": f"{told['max_difference']:.1e}",
    }
    if "seconds" in told:
        shown |= {"loaded in": f"{told['load_seconds']:.1f} s", "predicted in": f"{told['seconds']:.2f} s"}
    table(f"{to}, compared in {_COMPARED[to]} on {told['images']} {told['images_of']}", [shown])
