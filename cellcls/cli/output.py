"""What commands share: options, arguments, and answers for scripts."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cellcls.ops.storage.files import to_json
from cellcls.ops.storage.paths import expanded


class PathType(click.Path):
    """A path as ``Path``, its ``~`` expanded where no shell has done so."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(path_type=Path, file_okay=file_okay)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path. Raises ``click.BadParameter``."""
        return super().convert(expanded(value), param, ctx)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")

NO_RECIPE = "which recipe? cellcls recipes ls shows the shipped ones"
recipes_argument = click.argument("recipes", nargs=-1, type=PathType(), metavar="RECIPE|FOLDER...")


def print_json(value: Any) -> None:
    """Print an answer for scripts."""
    print(to_json(value), end="")


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that tell about the machine."""
    path = PathType()
    options = [
        click.option("--data", type=path, help="Where the data set is: a folder to look in, or the set itself."),
        click.option("--device", help="cpu, cuda, cuda:1, mps; default: the fastest that is there."),
        click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU."),
        click.option("--offline", is_flag=True, help="Never ask the network for weights."),
        click.option("--weights", type=path, help="Folder with pretrained weights in timm's layout."),
    ]

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return command(*args, **kwargs)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped
