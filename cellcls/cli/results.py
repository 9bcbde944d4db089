"""Commands that use a finished run: ``evaluate``, ``predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.heat import HeatFolder
from cellcls.cli.output import PathType, json_option, print_json, threads_option
from cellcls.errors import UsageError
from cellcls.ops.storage.files import write_json, write_text
from cellcls.ops.text import csv_text
from cellcls.registry import load_registry
from cellcls.runs.chosen import Chosen, choose, leading_runs, refuse_absent
from cellcls.runs.options import Options
from cellcls.terminal import say, table

if TYPE_CHECKING:
    from cellcls.engine.inference import ImagePrediction, ImagePredictions

device_option = click.option("--device", help="cpu, cuda, cuda:1, mps; default: the fastest available.")
crop_option = click.option(
    "--center-crop",
    type=click.IntRange(min=8),
    metavar="PIXELS",
    help="Cut out the middle of each image first, for frames wider than a cell.",
)


@click.command()
@click.argument("runs", nargs=-1, type=PathType(), metavar="[RUN]...")
@click.option("--data", type=PathType(), required=True, help="A labelled data set: npz, table, folder, MedMNIST.")
@click.option("--part", type=click.Choice(["train", "val", "test", "all"]), help="Part of a data set that has parts.")
@click.option("--unseen", is_flag=True, help="Leave out images that a run was trained on.")
@click.option("--corrupt", metavar="SUITE", help="Corrupt the images: competition, medmnist_c, or a single corruption.")
@click.option(
    "--view",
    "views",
    multiple=True,
    type=click.Choice(["flips", "turns"]),
    help="Average over these views of each image.",
)
@click.option(
    "--classes-present",
    is_flag=True,
    help="Restrict probabilities to the classes that occur, for a data set with only some of them.",
)
@click.option("--out", type=PathType(), help="Also write the result as JSON to a new file.")
@crop_option
@device_option
@threads_option
@json_option
def evaluate(
    runs: tuple[Path, ...],
    data: Path,
    part: str | None,
    unseen: bool,
    corrupt: str | None,
    views: tuple[str, ...],
    classes_present: bool,
    out: Path | None,
    center_crop: int | None,
    device: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Evaluate a run's best weights on a labelled data set. Classes are matched by name.

    RUN is a run folder or a weights file; several are an ensemble. Without it, the installed model is evaluated.
    """
    refuse_taken(out)
    registry = load_registry()
    chosen = choose(runs, registry)
    from cellcls.engine.inference import evaluate_on

    options = Options(device=device, threads=threads)
    answer = evaluate_on(
        chosen.runs,
        data,
        registry,
        options,
        part=part,
        unseen=unseen,
        corrupt=corrupt,
        views=views,
        classes_present=classes_present,
        center_crop=center_crop,
    )
    tell_model(chosen)
    if out is not None:
        write_json(out, answer.to_data())
    if answer.seen_in_training and not unseen:
        say(
            f"cellcls: warning: {answer.seen_in_training:,} of these {answer.record.n:,} images were trained on, so "
            "the results are too good; --unseen leaves them out"
        )
    if answer.rehearsal:
        say("cellcls: warning: weights of a rehearsal: the results say nothing about real cells")
    if as_json:
        print_json(answer.to_data())
        return
    from cellcls.report import tables

    shown = answer.record
    table(f"{' + '.join(chosen.names)} on {data}", [tables.of_evaluation(shown.part, shown)])
    table("per class", tables.per_class(shown))
    table("corruptions: balanced error at each severity", tables.corruptions(shown))
    for metric, rows in tables.by_corruption(shown).items():
        table(f"corruptions: {metric} at each severity", rows)
    table("views", tables.views(shown))
    table("risk by coverage: errors among the surest predictions", tables.risk_coverage(shown))
    if shown.restricted_to:
        say(f"cellcls: probabilities restricted to the classes that occur: {', '.join(shown.restricted_to)}")


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PathType(), metavar="[RUN]... PATH...")
@click.option(
    "--run", "runs", multiple=True, type=PathType(), metavar="RUN", help="A run; all arguments are then images."
)
@click.option(
    "--heat", type=PathType(), metavar="FOLDER", help="Also draw where the network looks: a PNG for each image."
)
@click.option("--csv", "csv_file", type=PathType(), help="Write the table to a new CSV file (- : stdout).")
@crop_option
@device_option
@threads_option
@json_option
def predict(
    paths: tuple[Path, ...],
    runs: tuple[Path, ...],
    heat: Path | None,
    csv_file: Path | None,
    center_crop: int | None,
    device: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Predict the class of images: files, folders, or npz files.

    RUN is a run folder or a weights file; several are an ensemble. Without it, the installed model predicts.
    Images that cannot be read are listed with the reason; the exit code is then 65.
    """
    to_stdout = str(csv_file) == "-"
    if to_stdout and as_json:
        raise UsageError("--csv - and --json both write to stdout", "give --csv a file")
    refuse_taken(None if to_stdout else csv_file)
    named, images = (runs, paths) if runs else leading_runs(paths)
    refuse_absent(images)
    drawn = None if heat is None else HeatFolder(heat)
    registry = load_registry()
    chosen = choose(named, registry)
    from cellcls.engine.inference import predict_images

    options = Options(device=device, threads=threads)
    draw = drawn.draw if drawn else None
    found = predict_images(chosen.runs, images, registry, options, draw=draw, center_crop=center_crop)
    tell_model(chosen)
    if found.rehearsal:
        say("cellcls: warning: weights of a rehearsal: the predictions say nothing about real cells")
    rows = found.rows()
    if to_stdout:
        sys.stdout.write(_csv(found))
    elif csv_file is not None:
        write_text(csv_file, _csv(found))
    if as_json:
        heat_files = [{"heat": drawn.file(position)} if drawn else {} for position in range(len(rows))]
        print_json([{**row.to_data(), **file} for row, file in zip(rows, heat_files, strict=True)])
    elif csv_file is None:
        table(" + ".join(chosen.names), [_shown(row) for row in rows])
    if drawn:
        say(f"cellcls: heat maps: {heat}")
    error = found.error()
    if error is not None:
        raise error


def _shown(row: ImagePrediction) -> dict[str, str]:
    if row.error is not None:
        return {"image": row.image, "class": "cannot be read", "probability": "-", "next": "-"}
    unknown = {} if row.unknown is None else {"unknown": row.unknown or "-"}
    return {
        "image": row.image,
        "class": row.predicted,
        "probability": f"{row.probability:.3f}",
        "next": f"{row.second} {row.probabilities[row.second]:.3f}" if row.second else "-",
        **unknown,
    }


def tell_model(chosen: Chosen) -> None:
    """Say which installed model answered."""
    for model in chosen.models:
        say(f"cellcls: model {model}")


def refuse_taken(path: Path | None) -> None:
    """Raise ``UsageError`` if ``path`` exists."""
    if path is not None and path.exists():
        raise UsageError(f"{path} already exists and is not overwritten")


def _csv(found: ImagePredictions) -> str:
    """Return the rows as CSV, with a column ``error`` if an image could not be read."""
    more = ["error"] if found.unreadable else []
    lines = [["image", "predicted", "probability", "unknown", *found.classes, *more]]
    for row in found.rows():
        if row.error is not None:
            lines.append([row.image, "", "", "", *("" for _ in found.classes), row.error])
            continue
        probabilities = [f"{row.probabilities[name]:.6f}" for name in found.classes]
        said = [row.image, row.predicted, f"{row.probability:.6f}", row.unknown or ""]
        lines.append([*said, *probabilities, *("" for _ in more)])
    return csv_text(lines)
