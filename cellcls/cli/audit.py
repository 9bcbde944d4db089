"""``cellcls audit``."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from cellcls.cli.output import json_option, print_json, say, table
from cellcls.cli.progress import counting
from cellcls.errors import ExitCode, UsageError
from cellcls.registry import load_registry
from cellcls.run.folder import free_folder, make_folder, refuse_folder

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=_PATH)
@click.option("--out", type=_PATH, help="Folder to write to; default: audits/NAME-N.")
@click.option("--against", type=_PATH, metavar="OTHER", help="Another set: what both hold, and how they differ.")
@click.option("--features", metavar="BACKBONE", help="Judge by a network: efficientnet_lite0, timm:MODEL. Slower.")
@click.option("--weights", type=_PATH, help="Folder with pretrained weights in timm's layout, for --features.")
@click.option("--offline", is_flag=True, help="Never ask the network for weights.")
@click.option("--fail-on", metavar="KIND,...", default="", help="Exit with 1 where such findings are made.")
@json_option
def audit(
    data: Path,
    out: Path | None,
    against: Path | None,
    features: str | None,
    weights: Path | None,
    offline: bool,
    fail_on: str,
    as_json: bool,
) -> int:
    """See what is wrong with a data set: copies, conflicting labels, leaks, damaged images, wrong labels.

    DATA is whatever --data takes (npz, MedMNIST, a folder of class folders), or a folder of pictures. Writes a page in
    which a person decides (audit.html), decisions.csv for the cleaner `decisions`, audit.json and figures.
    """
    from cellcls.api import WeightPlaces
    from cellcls.audit.findings import KINDS

    wanted = [name.strip() for name in fail_on.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise UsageError(f"--fail-on: no finding is called `{unknown[0]}`", f"there are: {', '.join(KINDS)}")
    registry = load_registry()
    from cellcls.audit.record import DECISIONS, to_data, write
    from cellcls.audit.record import audit as look_at

    refuse_folder(out)
    with counting() as seen:
        places = WeightPlaces(directory=weights, offline=offline)
        made = look_at(data, registry, seen, against=against, features=features, weights=places)
        seen("drawing", 0, 0)
        folder = make_folder(out or free_folder(made.subject.name, Path("audits"))).path
        page = write(made, folder)
    counts = made.counts()
    if as_json:
        print_json({"page": str(page), **to_data(made)})
    else:
        rows = [{"finding": name, "number": f"{number:,}", "what": KINDS[name].what} for name, number in counts.items()]
        table(f"{data}: {len(made.subject):,} images, {int(made.kept.sum()):,} kept by the suggestions", rows)
        print(f"page: {page}\ndecisions: {folder / DECISIONS}")
    failed = [name for name in wanted if counts.get(name)]
    if failed:
        say(f"cellcls: found, and not to be: {', '.join(f'{name} ({counts[name]:,})' for name in failed)}")
    return ExitCode.WANTING if failed else ExitCode.DONE
