"""``cellcls recipes``: lists and copies the shipped recipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import tomli

from cellcls.cli.output import PathType, json_option, print_json
from cellcls.errors import MissingInputError, UsageError, suggestion
from cellcls.ops.storage.files import write_bytes
from cellcls.recipe.shipped import shipped
from cellcls.terminal import answer, say, table


@click.group()
def recipes() -> None:
    """List or copy the recipes that come with cellcls."""


@recipes.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List the shipped recipes."""
    rows: list[dict[str, object]] = [
        {"recipe": path.stem, "what": _first_comment(path), "path": str(path)} for path in shipped()
    ]
    if as_json:
        print_json(rows)
    else:
        table("Shipped recipes; run one with: cellcls run PATH", rows)


@recipes.command("cp")
@click.argument("name")
@click.argument("to", type=PathType(), default=Path())
@json_option
def cp(name: str, to: Path, as_json: bool) -> None:
    """Copy the recipe NAME, to change it, to a file or folder, along with the recipes it is based on."""
    known = {path.stem: path for path in shipped()}
    stem = name.removesuffix(".toml")
    source = known.get(stem)
    if source is None:
        hint = suggestion(stem, known)
        raise MissingInputError(f"no shipped recipe `{name}`", f"{hint}to list them: cellcls recipes ls")
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise UsageError(f"{target} already exists and is not overwritten")
    write_bytes(target, source.read_bytes())
    for base in _bases(source):
        beside = target.parent / base.name
        if not beside.exists():
            write_bytes(beside, base.read_bytes())
            say(f"{beside}: copied too (base recipe)")
    print_json({"recipe": str(target)}) if as_json else answer(str(target))


def _bases(path: Path) -> Iterator[Path]:
    """Yield the recipes that a shipped one is based on, nearest first."""
    base = tomli.loads(path.read_text()).get("base")
    if base:
        yield path.parent / base
        yield from _bases(path.parent / base)


def _first_comment(path: Path) -> str:
    """Return the purpose of a recipe: the comment at its top, without the file name."""
    lines = path.read_text().splitlines()
    comment = lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
    return comment.partition(": ")[2] or comment
