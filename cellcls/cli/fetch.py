"""``cellcls fetch``: downloads freely available data sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from cellcls.api import Dataset, Download
from cellcls.cli.output import PathType, json_option, print_json
from cellcls.errors import ExitCode, InterruptedRunError, MissingInputError, UsageError, suggestion
from cellcls.ops.storage.paths import folder_in
from cellcls.registry import Registry, load_registry
from cellcls.terminal import answer, counting, table


@click.command()
@click.argument("name", required=False)
@click.option(
    "--to",
    type=PathType(file_okay=False),
    help="Folder for the file. Default: $CELLCLS_DATA, or ./data, where recipes look for it.",
)
@json_option
def fetch(name: str | None, to: Path | None, as_json: bool) -> None:
    """Download a data set. NAME is a file in the list, or a data set with a single file; without NAME, print the list.

    An interrupted download continues where it stopped. The file is verified by its published checksum.
    """
    offered = list(_offered(load_registry()))
    if name is None:
        _list(offered, as_json)
        return
    wanted = _named(name, offered)
    folder = to or folder_in("CELLCLS_DATA") or Path("data")
    from cellcls.runs.fetch import fetch as download

    try:
        with counting() as progress:
            got = download(wanted, folder, progress)
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"{folder / wanted.name}: stopped by Ctrl-C",
            "to continue the download, run the command again",
            code=ExitCode.INTERRUPTED,
        ) from error
    told = {
        "file": str(got.path),
        "bytes": got.path.stat().st_size,
        "checksum": wanted.checksum,
        "downloaded": got.downloaded,
        "licence": wanted.licence,
    }
    print_json(told) if as_json else answer(str(got.path))


def _offered(registry: Registry) -> Iterator[tuple[str, Download]]:
    for dataset in registry.names("dataset"):
        cls = cast("type[Dataset]", registry.find("dataset", dataset))
        for download in cls.sources:
            yield dataset, download


def _list(offered: list[tuple[str, Download]], as_json: bool) -> None:
    rows: list[dict[str, object]] = [
        {
            "name": download.name,
            "data set": dataset,
            "bytes": download.bytes,
            "licence": download.licence,
            "checksum": download.checksum,
            "address": download.address,
        }
        for dataset, download in offered
    ]
    if as_json:
        print_json(rows)
        return
    shown = [{key: "unknown" if value is None else value for key, value in row.items()} for row in rows]
    table("Files to download; get one with: cellcls fetch NAME", shown)


def _named(name: str, offered: list[tuple[str, Download]]) -> Download:
    """Return the file of this name, with or without extension, or the only file of the data set of this name."""
    found = [download for _, download in offered if name in (download.name, download.name.partition(".")[0])]
    found = found or [download for dataset, download in offered if dataset == name]
    if not found:
        names = {download.name.partition(".")[0] for _, download in offered} | {dataset for dataset, _ in offered}
        hint = suggestion(name.partition(".")[0], sorted(names))
        raise MissingInputError(f"no file or data set `{name}` to download", f"{hint}to list them: cellcls fetch")
    if len(found) > 1:
        raise UsageError(
            f"`{name}` has {len(found)} files; give one of them", *(f"cellcls fetch {file.name}" for file in found)
        )
    return found[0]
