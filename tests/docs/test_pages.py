"""What the pages say can be done: recipes load, commands and their options exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cellcls.cli.main import cellcls
from cellcls.recipe import load
from cellcls.registry import load_registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "recipes").glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def _blocks(kind: str) -> list[str]:
    return [text for page in PAGES for found, text in BLOCK.findall(page.read_text()) if found == kind]


COMMANDS = [
    line.removeprefix("$ ").partition("  #")[0].strip()
    for text in _blocks("console")
    for line in text.splitlines()
    if line.startswith("$ cellcls ")
]


def test_blocks_and_pages_are_found():
    assert len(PAGES) >= 9
    assert len(_blocks("toml")) == 1
    assert len(COMMANDS) == 13


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_takes_what_a_page_gives_it(line: str):
    name, *rest = shlex.split(line)[1:]
    command = cellcls.commands[name]
    with click.Context(command) as context:
        command.make_parser(context).parse_args(rest)


@pytest.mark.parametrize("text", _blocks("toml"))
def test_a_recipe_on_a_page_loads(text: str, tmp_path: Path):
    path = tmp_path / "page.toml"
    path.write_text(text)
    assert load(path, load_registry())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
