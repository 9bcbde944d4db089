"""The pages: nothing on them escapes the tests, and links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from itertools import takewhile
from pathlib import Path

import click
import pytest
import tomli
from docs_reference import commands
from support.pages import GIVEN, PAGES, ROOT, Block, _alike, blocks

from cellcls.cli.main import cellcls
from cellcls.registry import load_registry

LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
GENERATED = ("reference", "pictures")
TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
BLOCKS = [(page, block) for page in PAGES for block in blocks(page)]
CONTEXTS = {context.command_path: context for context in commands(cellcls, "cellcls")}
COMMANDS = [
    pytest.param(command, id=f"{page.name}:{command}")
    for page, block in BLOCKS
    for command, _ in block.commands_of_console
    if command.startswith("cellcls ")
]


def test_all_blocks_are_found_and_of_a_kind_that_runs():
    fences = sum(len(re.findall(r"^```", page.read_text(), re.MULTILINE)) for page in PAGES)
    assert len(BLOCKS) * 2 == fences
    assert len(TUTORIALS) == 8
    counted = Counter(block.language for _, block in BLOCKS)
    assert counted == {"console": 112, "toml": 37, "python": 23, "bash": 1}
    assert sum(block.mark.startswith("not run") for _, block in BLOCKS) == 15
    assert sum(block.mark == "rehearse" for _, block in BLOCKS) == 8


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_takes_what_a_page_gives_it(line: str):
    words = shlex.split(line.replace("\\\n", " "), comments=True)[1:]
    words = list(takewhile(lambda word: word not in (">", "&", "|"), words))
    path = "cellcls"
    while isinstance(CONTEXTS[path].command, click.Group) and not words[0].startswith("-"):
        path += f" {words.pop(0)}"
    context = CONTEXTS[path]
    context.command.make_parser(context).parse_args(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in LINK.findall(page.read_text()):
        if not any(f"{folder}/" in target for folder in GENERATED):  # the strict build looks at these
            assert (page.parent / target).exists(), target


def test_a_plugin_takes_at_most_twelve_commands_or_edits():
    shown = blocks(ROOT / "docs/tutorials/write-a-plugin.md")
    edits = [block.title for block in shown if block.title]
    commands = [command for block in shown for command, _ in block.commands_of_console]
    assert len(edits) == 4
    assert len(commands) >= 6
    assert len(edits) + len(commands) <= 12, commands


def test_the_recipes_of_plugins_are_loaded():
    """A page's recipe that requires what is not installed is only parsed; none of a shipped plugin may be."""
    recipes = [block.text for page, block in BLOCKS if "plugins" in page.parts and block.language == "toml"]
    assert len(recipes) == 8
    needed = {name for text in recipes for name in tomli.loads(text)["requires"]}
    assert needed <= set(load_registry().distributions())


def test_the_first_page_links_every_page_people_write():
    index = (ROOT / "docs/index.md").read_text()
    pages = [page for folder in ("tutorials", "how-to", "design") for page in (ROOT / "docs" / folder).glob("*.md")]
    assert len(pages) >= 35
    assert [page.name for page in pages if f"]({page.parent.name}/{page.name})" not in index] == []


@pytest.mark.parametrize(
    ("shown", "got", "alike"),
    [
        (["a 0.5 s"], "a  12.75 s\n", True),
        (["a 5 s"], "a 6 s\n", False),
        (["a", "...", "z"], "a\nb\nc\nz\n", True),
        (["a", "...", "z"], "a\nz\n", True),
        (["a", "...", "z"], "a\nb\n", False),
        (["...", "z"], "z\n", True),
        (["a ... z"], "a b c z\n", True),
        (["a ... z"], "a b\nc z\n", False),
        (["a"], "a\nb\n", False),
        ([" ──── "], " ──────────\n", True),
    ],
)
def test_what_counts_as_the_output_that_is_shown(shown: list[str], got: str, alike: bool):
    assert _alike(shown, got) is alike


def test_a_command_keeps_its_output_and_its_further_lines():
    block = Block("console", None, "$ one \\\n  two\nout\n$ three\n", "")
    assert block.commands == [("one \\\n  two", ["out"]), ("three", [])]


def test_what_pages_take_for_granted_is_known():
    named = [
        name
        for page in PAGES
        for found in re.findall(r"<!-- given: ([^>]+) -->", page.read_text())
        for name in found.split()
    ]
    assert set(named) <= set(GIVEN)


def test_the_site_lists_every_page():
    from docs_reference import pages

    nav = tomli.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    written = {str(page.relative_to(ROOT / "docs")) for page in PAGES if ROOT / "docs" in page.parents}
    made = {f"reference/{path}" for path in pages(load_registry())}
    assert sorted(_paths(nav)) == sorted(written | made), "nav in zensical.toml lists each page once"


def _paths(nav: object):
    if isinstance(nav, str):
        yield nav
    else:
        for one in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(one)
