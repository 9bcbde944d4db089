"""``cellcls audit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cellcls.cli.output import PathType, json_option, print_json
from cellcls.errors import ExitCode, UsageError
from cellcls.ops.curation.thresholds import MAX_DISTANCE, SIMILARITY
from cellcls.registry import load_registry
from cellcls.runs.folder import free_folder, make_folder, refuse_folder
from cellcls.terminal import answer, counting, say, table

if TYPE_CHECKING:
    from cellcls.auditing.audit import Audit

_PATH = PathType()


@click.command()
@click.argument("data", type=_PATH)
@click.option("--out", type=_PATH, help="Folder to write to; default: audits/NAME-N.")
@click.option("--against", type=_PATH, metavar="OTHER", help="Another data set: what both share, and how they differ.")
@click.option("--features", metavar="BACKBONE", help="Use the features of a network: efficientnet_lite0, timm:MODEL.")
@click.option("--weights", type=_PATH, help="Folder with pretrained weights in timm's layout, for --features.")
@click.option("--offline", is_flag=True, help="Do not download weights.")
@click.option(
    "--similarity",
    type=click.FloatRange(0.5, 1),
    default=SIMILARITY,
    show_default=True,
    help="Minimum correlation of details for two images to count as near copies.",
)
@click.option(
    "--max-distance",
    type=click.FloatRange(0, min_open=True),
    default=MAX_DISTANCE,
    show_default=True,
    help="Robust standard deviations from the other images beyond which an image is far away.",
)
@click.option("--fail-on", metavar="KIND,...", default="", help="Exit with 1 if there are findings of these kinds.")
@json_option
def audit(
    data: Path,
    out: Path | None,
    against: Path | None,
    features: str | None,
    weights: Path | None,
    offline: bool,
    similarity: float,
    max_distance: float,
    fail_on: str,
    as_json: bool,
) -> int:
    """Find problems in a data set: copies, conflicting labels, leaks, damaged images, wrong labels.

    DATA is anything that --data accepts (npz, MedMNIST, a folder of class folders), or a folder of images. Writes a
    page for reviewing the findings (audit.html), decisions.csv for the cleaner `decisions`, audit.json and figures.
    """
    from cellcls.api import WeightPlaces

    wanted = _kinds(fail_on, compared=against is not None)
    refuse_folder(out)
    registry = load_registry()
    from cellcls.auditing.audit import Settings, audit_dataset
    from cellcls.auditing.results import DECISIONS, to_json_data, write

    with counting() as progress:
        places = WeightPlaces(directory=weights, offline=offline)
        settings = Settings(similarity=similarity, max_distance=max_distance)
        result = audit_dataset(
            data, registry, progress, against=against, features=features, weights=places, settings=settings
        )
        progress("drawing", 0, 0)
        folder = make_folder(out or free_folder(result.data.name, Path("audits"))).path
        page = write(result, folder)
    if as_json:
        print_json({"page": str(page), **to_json_data(result)})
    else:
        table(f"{data}: {len(result.data):,} images, {int(result.kept.sum()):,} kept by the suggestions", _rows(result))
        answer(f"page: {page}\ndecisions: {folder / DECISIONS}")
    return _verdict(result, wanted)


def _kinds(fail_on: str, *, compared: bool) -> list[str]:
    """Return the kinds of finding that ``--fail-on`` names. Raises ``UsageError``."""
    from cellcls.auditing.findings import KINDS

    wanted = [name.strip() for name in fail_on.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in KINDS]
    if unknown:
        raise UsageError(f"--fail-on: no finding is called `{unknown[0]}`", f"kinds: {', '.join(KINDS)}")
    if "shared" in wanted and not compared:
        raise UsageError("--fail-on shared: there is no data set to compare with", "give one: --against OTHER")
    return wanted


def _rows(result: Audit) -> list[dict[str, str]]:
    from cellcls.auditing.findings import KINDS
    from cellcls.report.numbers import NOTHING, count

    found = {kind: (count(number), KINDS[kind].description) for kind, number in result.counts().items()}
    skipped = {kind: (NOTHING, f"not checked: {why}") for kind, why in result.skipped_checks.items()}
    rows = found | skipped
    return [{"finding": kind, "number": rows[kind][0], "description": rows[kind][1]} for kind in KINDS]


def _verdict(result: Audit, wanted: Sequence[str]) -> ExitCode:
    """Return the exit code; report findings named by ``--fail-on``, and which of these were not checked."""
    counts, skipped = result.counts(), result.skipped_checks
    for name in wanted:
        if name in skipped:
            say(f"cellcls: warning: --fail-on {name}: not checked: {skipped[name]}")
    failed = [name for name in wanted if counts.get(name)]
    if failed:
        say(f"cellcls: failed: found {', '.join(f'{name} ({counts[name]:,})' for name in failed)}")
    return ExitCode.CHECK_FAILED if failed else ExitCode.DONE
