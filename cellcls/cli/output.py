"""Options, arguments and output that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cellcls.ops.processes.cores import MOST_THREADS, free_cores
from cellcls.ops.storage.files import to_json
from cellcls.ops.storage.paths import expanded


class PathType(click.Path):
    """A path as ``Path``, its ``~`` expanded where no shell has done so."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises ``click.BadParameter``."""
        return super().convert(expanded(value), param, ctx)


class Threads(click.IntRange):
    """A number of threads, or ``auto``: the cores that are not busy."""

    name = "threads"

    def __init__(self) -> None:
        super().__init__(min=1, max=MOST_THREADS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number. Raises ``click.BadParameter``."""
        return free_cores() if value == "auto" else super().convert(value, param, ctx)


threads_option = click.option(
    "--threads",
    type=Threads(),
    metavar="N|auto",
    help="Number of CPU threads; auto: one for each core that is not busy now. Results depend on it in the last bits.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")

NO_RECIPE = "no recipe given; to see the shipped recipes: cellcls recipes ls"
recipes_argument = click.argument("recipes", nargs=-1, type=PathType(), metavar="RECIPE|FOLDER...")


def print_json(value: Any) -> None:
    """Print an answer as JSON."""
    print(to_json(value), end="")


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that depend on the machine."""
    path = PathType()
    options = [
        click.option("--data", type=path, help="Where the data set is: the data set itself, or a folder to search in."),
        click.option("--device", help="cpu, cuda, cuda:1, mps; default: the fastest available."),
        threads_option,
        click.option("--offline", is_flag=True, help="Do not download weights."),
        click.option("--weights", type=path, help="Folder with pretrained weights in timm's layout."),
    ]

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped
