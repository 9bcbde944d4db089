"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import click

from cellcls.ops.storage.files import to_json

_WIDTH = 200
"""Columns of a table that goes to no terminal."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")

NO_RECIPE = "which recipe? cellcls recipes ls shows the shipped ones"
recipes_argument = click.argument("recipes", nargs=-1, type=click.Path(path_type=Path), metavar="RECIPE|FOLDER...")


def color_system() -> Literal["auto"] | None:
    """Return rich's setting of colours: none at all, bold neither, where the person set ``NO_COLOR``."""
    return None if os.environ.get("NO_COLOR") else "auto"


def print_json(value: Any) -> None:
    """Print an answer for scripts."""
    print(to_json(value), end="")


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table on stdout, headings as keys; nothing of it is read as markup. No rows: nothing."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD)
    for column in rows[0]:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row.values()))
    console = Console(color_system=color_system(), width=None if sys.stdout.isatty() else _WIDTH)
    with console.capture() as drawn:
        console.print(Text(title, style="bold"), soft_wrap=True)
        console.print(made)
    lines = drawn.get().rstrip().splitlines()
    print("\n".join(line.rstrip() for line in lines if line.strip()), end="\n\n")


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that tell about the machine."""
    path = click.Path(path_type=Path)
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
