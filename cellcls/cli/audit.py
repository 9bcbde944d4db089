"""``cellcls audit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.output import json_option, print_json, say, table
from cellcls.cli.progress import counting
from cellcls.errors import ExitCode, UsageError
from cellcls.ops.curation.thresholds import FAR, SIMILARITY
from cellcls.registry import load_registry
from cellcls.runs.folder import free_folder, make_folder, refuse_folder

if TYPE_CHECKING:
    from cellcls.auditing.record import Audit

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=_PATH)
@click.option("--out", type=_PATH, help="Folder to write to; default: audits/NAME-N.")
@click.option("--against", type=_PATH, metavar="OTHER", help="Another set: what both hold, and how they differ.")
@click.option("--features", metavar="BACKBONE", help="Judge by a network: efficientnet_lite0, timm:MODEL. Slower.")
@click.option("--weights", type=_PATH, help="Folder with pretrained weights in timm's layout, for --features.")
@click.option("--offline", is_flag=True, help="Never ask the network for weights.")
@click.option(
    "--similarity",
    type=click.FloatRange(0.5, 1),
    default=SIMILARITY,
    show_default=True,
    help="From which correlation of details on two pictures count as near copies.",
)
@click.option(
    "--far",
    type=click.FloatRange(0, min_open=True),
    default=FAR,
    show_default=True,
    help="How many robust standard deviations from the other images are far away.",
)
@click.option("--fail-on", metavar="KIND,...", default="", help="Exit with 1 where such findings are made.")
@json_option
def audit(
    data: Path,
    out: Path | None,
    against: Path | None,
    features: str | None,
    weights: Path | None,
    offline: bool,
    similarity: float,
    far: float,
    fail_on: str,
    as_json: bool,
) -> int:
    """See what is wrong with a data set: copies, conflicting labels, leaks, damaged images, wrong labels.

    DATA is whatever --data takes (npz, MedMNIST, a folder of class folders), or a folder of pictures. Writes a page in
    which a person decides (audit.html), decisions.csv for the cleaner `decisions`, audit.json and figures.
    """
    from cellcls.api import WeightPlaces

    wanted = _kinds(fail_on, compared=against is not None)
    refuse_folder(out)
    registry = load_registry()
    from cellcls.auditing.record import DECISIONS, Settings, to_data, write
    from cellcls.auditing.record import audit as look_at

    with counting() as seen:
        places = WeightPlaces(directory=weights, offline=offline)
        settings = Settings(similarity=similarity, far=far)
        made = look_at(data, registry, seen, against=against, features=features, weights=places, settings=settings)
        seen("drawing", 0, 0)
        folder = make_folder(out or free_folder(made.subject.name, Path("audits"))).path
        page = write(made, folder)
    if as_json:
        print_json({"page": str(page), **to_data(made)})
    else:
        table(f"{data}: {len(made.subject):,} images, {int(made.kept.sum()):,} kept by the suggestions", _rows(made))
        print(f"page: {page}\ndecisions: {folder / DECISIONS}")
    return _verdict(made, wanted)


def _kinds(fail_on: str, *, compared: bool) -> list[str]:
    """Return the kinds of finding that ``--fail-on`` names. Raises ``UsageError``."""
    from cellcls.auditing.findings import KINDS

    wanted = [name.strip() for name in fail_on.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise UsageError(f"--fail-on: no finding is called `{unknown[0]}`", f"there are: {', '.join(KINDS)}")
    if "against" in wanted and not compared:
        raise UsageError("--fail-on against: there is nothing to compare with", "name the other set: --against OTHER")
    return wanted


def _rows(made: Audit) -> list[dict[str, str]]:
    from cellcls.auditing.findings import KINDS
    from cellcls.report.numbers import NOTHING, count

    found = {kind: (count(number), KINDS[kind].what) for kind, number in made.counts().items()}
    unknown = {kind: (NOTHING, f"not looked for: {why}") for kind, why in made.not_looked_for.items()}
    said = found | unknown
    return [{"finding": kind, "number": said[kind][0], "what": said[kind][1]} for kind in KINDS]


def _verdict(made: Audit, wanted: Sequence[str]) -> ExitCode:
    """Return the exit code, and say what is not to be and what nobody can know."""
    counts, unknown = made.counts(), made.not_looked_for
    for name in wanted:
        if name in unknown:
            say(f"cellcls: warning: --fail-on {name}: not looked for: {unknown[name]}")
    failed = [name for name in wanted if counts.get(name)]
    if failed:
        say(f"cellcls: found, and not to be: {', '.join(f'{name} ({counts[name]:,})' for name in failed)}")
    return ExitCode.CHECK_FAILED if failed else ExitCode.DONE
