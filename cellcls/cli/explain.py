"""``cellcls explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cellcls.cli.output import PathType, json_option, print_json, threads_option
from cellcls.cli.results import device_option, refuse_taken, tell_model
from cellcls.errors import UsageError
from cellcls.ops.storage.files import write_bytes
from cellcls.registry import load_registry
from cellcls.runs.chosen import Chosen, choose
from cellcls.runs.options import Options
from cellcls.terminal import answer, table

if TYPE_CHECKING:
    from cellcls.runs.records import DepthsRecord


@click.command()
@click.argument("run", required=False, type=PathType(), metavar="[RUN]")
@click.argument("other", required=False, type=PathType(), metavar="[OTHER_RUN]")
@click.option("--data", type=PathType(), help="A labelled data set; default: the run's own test part.")
@click.option("--images", type=click.IntRange(1, 512), default=16, show_default=True, help="Number of images.")
@click.option(
    "--depths", type=click.IntRange(2, 512), default=16, show_default=True, help="Maximum number of layers to compare."
)
@click.option("--use", default="grad_cam", show_default=True, help="The explainer.")
@click.option("--out", type=PathType(), help="Image file to write; default: a new one in the run folder.")
@device_option
@threads_option
@json_option
def explain(
    run: Path | None,
    other: Path | None,
    data: Path | None,
    images: int,
    depths: int,
    use: str,
    out: Path | None,
    device: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Draw where a run's best weights look, as heat maps on images.

    For a run with several stages, the networks after the first and the last stage are also compared layer by layer.
    With OTHER_RUN, the two runs are compared on the same images. Without RUN, the installed model is explained.
    """
    refuse_taken(out)
    registry = load_registry()
    chosen = choose([] if run is None else [run], registry)
    (network,) = chosen.runs
    if chosen.models and data is None:
        raise UsageError(f"the model {chosen.models[0]} has no images of its own", "name some: --data PATH")
    from cellcls.engine.inference import explain_on

    found = explain_on(
        network,
        data,
        registry,
        Options(device=device, threads=threads),
        use=use,
        images=images,
        other=other,
        depths=depths,
    )
    tell_model(chosen)
    target = out or _free(_place(chosen))
    answer = {"run": str(network), **_draw(found, target)}
    if as_json:
        print_json(answer)
        return
    metrics = found.metrics
    heat = {
        "picture": target,
        "images": metrics["images"],
        "heat on the cell": f"{metrics['heat_inside']:.1%}",
        "the cell's share of the area": f"{metrics['cell_area']:.1%}",
    }
    table("heat maps", [heat])
    if found.comparison is not None:
        _tell(found.comparison.record(), answer["compared_picture"], answer["depths_picture"])


def _draw(found: Any, target: Path) -> dict[str, Any]:
    """Write the image files; return the JSON answer."""
    from cellcls.report.draw import draw_depths, draw_heat_maps, draw_map_pairs
    from cellcls.report.pictures import map_pairs, pictures_of
    from cellcls.runs.records import to_data

    comparison = found.comparison
    pictures = {target: draw_heat_maps(pictures_of(found.maps.arrays()), found.classes)}
    answer = {"picture": str(target), **found.metrics}
    if comparison is not None:
        record = comparison.record()
        compared, depths = _beside(target, "compared"), _beside(target, "depths")
        pictures[compared] = draw_map_pairs(record, map_pairs(comparison.arrays()), found.classes)
        pictures[depths] = draw_depths(record)
        answer |= {"compared_picture": str(compared), "depths_picture": str(depths), "comparison": to_data(record)}
    for path in pictures:
        refuse_taken(path)
    for path, png in pictures.items():
        write_bytes(path, png)
    return answer


def _tell(record: DepthsRecord, maps: str, depths: str) -> None:
    first, second = record.names
    rows = [
        {
            "layer": depth.layer,
            "parameters before it": f"{depth.frozen_share:.1%}",
            "similarity": f"{depth.similarity:.2f}",
            f"heat on the cell, {first}": f"{depth.heat_inside[0]:.1%}",
            f"heat on the cell, {second}": f"{depth.heat_inside[1]:.1%}",
        }
        for depth in record.depths
    ]
    table(f"{first} and {second}, depth by depth", rows)
    answer(f"pictures: {maps}, {depths}")
    answer(_advice(record))


def _advice(record: DepthsRecord) -> str:
    threshold = f"a correlation of {record.same_above:g}"
    if not record.advised:
        return f"advice: freeze = {record.freeze}, as the maps fall below {threshold} at no layer"
    advice = (
        f"advice: freeze = {record.freeze} ({record.frozen_share:.1%} of the parameters): the maps fall below "
        f"{threshold} at {record.advised}"
    )
    if record.lasting == record.advised:
        return f"{advice} and stay below"
    return f"{advice}, but stay below only from {record.lasting or 'no layer'} on: the first may be noise"


def _beside(target: Path, name: str) -> Path:
    if not target.suffix:
        raise UsageError(f"{target}: not the name of an image file; write, for example, maps.png")
    return target.with_name(f"{target.stem}-{name}{target.suffix}")


def _place(chosen: Chosen) -> Path:
    """Return the folder for new pictures: never that of an installed package."""
    if chosen.models:
        return Path()
    (run,) = chosen.runs
    return run / "figures" if run.is_dir() else run.parent


def _free(folder: Path) -> Path:
    number = 1
    while any(folder.glob(f"explain-{number}[-.]*")):
        number += 1
    return folder / f"explain-{number}.png"
