"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import rich_click as click

json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")


def print_json(value: Any) -> None:
    """Print an answer for scripts."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table on stdout, headings as keys; nothing of it is read as markup. No rows: nothing."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in rows[0]:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row.values()))
    console = Console()
    console.print(made) if console.is_terminal else Console(width=200).print(made)


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that tell about the machine."""
    from pathlib import Path

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
