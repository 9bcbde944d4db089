"""``cellcls fetch``: data sets that are free to download."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import click

from cellcls.api import Dataset, Download
from cellcls.cli.output import json_option, print_json, say, table
from cellcls.cli.progress import counting
from cellcls.errors import ExitCode, InterruptedRunError, MissingInputError, UsageError
from cellcls.registry import Registry, load_registry


@click.command()
@click.argument("name", required=False)
@click.option(
    "--to",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the file. Default: $CELLCLS_DATA, or ./data, where recipes look for it.",
)
@json_option
def fetch(name: str | None, to: Path | None, as_json: bool) -> None:
    """Download a data set: NAME is a file of the list, or a data set that has one file. Without NAME: the list.

    A download that broke off goes on where it stopped. The file is checked by the checksum its authors publish.
    """
    offered = list(_offered(load_registry()))
    if name is None:
        _list(offered, as_json)
        return
    wanted = _named(name, offered)
    folder = to or Path(os.environ.get("CELLCLS_DATA") or "data")
    from cellcls.runs.fetch import fetch as download

    try:
        with counting() as shows:
            got = download(wanted, folder, shows)
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"{folder / wanted.name}: stopped by Ctrl-C", "run it again: it goes on there", code=ExitCode.INTERRUPTED
        ) from error
    if got.recorded:
        there = "" if got.downloaded else "the file was there already, and nothing tells whether it is the right one: "
        kept = f"{got.checksum} is recorded in {got.path}.sha256 for next time"
        say(f"cellcls: {there}its authors publish no checksum; {kept}")
    answer = {
        "file": str(got.path),
        "bytes": got.bytes,
        "checksum": got.checksum,
        "published": got.published,
        "downloaded": got.downloaded,
        "licence": wanted.licence,
    }
    print_json(answer) if as_json else print(got.path)


def _offered(registry: Registry) -> Iterator[tuple[str, Download]]:
    for dataset in registry.names("dataset"):
        cls = cast("type[Dataset]", registry.find("dataset", dataset))
        for download in cls.sources:
            yield dataset, download


def _list(offered: list[tuple[str, Download]], as_json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "data set": dataset,
            "bytes": one.bytes,
            "licence": one.licence,
            "checksum": one.checksum,
            "address": one.address,
        }
        for dataset, one in offered
    ]
    if as_json:
        print_json(rows)
        return
    shown = [{key: "not told" if value is None else value for key, value in row.items()} for row in rows]
    table("Files to download; get one with: cellcls fetch NAME", shown)


def _named(name: str, offered: list[tuple[str, Download]]) -> Download:
    """Return the file of that name, with or without its ending, or the only one of the data set of that name."""
    found = [one for _, one in offered if name in (one.name, one.name.partition(".")[0])]
    found = found or [one for dataset, one in offered if dataset == name]
    if not found:
        raise MissingInputError(f"no file or data set `{name}` to download", "cellcls fetch lists them")
    if len(found) > 1:
        raise UsageError(
            f"`{name}` has {len(found)} files; name one of them", *(f"cellcls fetch {one.name}" for one in found)
        )
    return found[0]
