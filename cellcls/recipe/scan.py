"""Finds the places of keys and values in a TOML file that tomli has parsed already (TOML 1.0, toml.io/en/v1.0.0)."""

from __future__ import annotations

import re
from typing import Any

import attrs

Path = tuple[str | int, ...]
"""Path of a value in the data: ``("stages", 0, "optimizer", "lr")``."""

TomlTable = dict[str, Any]
"""A table of a TOML file as tomli reads it; what its values are is found out where they become settings."""

DEEPEST = 32
"""Maximum depth of noted places: a recipe has a handful of levels, a hostile file could fill the memory."""

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:""|"(?!"))?', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:''|'(?!'))?", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]+")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))")
_PLAIN = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


@attrs.frozen
class Span:
    """A range of the text, as offsets."""

    start: int
    end: int


@attrs.frozen
class Place:
    """Where a key and its value are (None: the value is a table whose keys are elsewhere)."""

    key: Span
    value: Span | None = None


def scan(text: str) -> dict[Path, Place]:
    """Return the place of every key, header and array element. ``text`` must be valid TOML."""
    return _Scanner(text.replace("\r\n", "\n")).run()


def position(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, from 1, of an offset."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, Place] = {}
        self.lengths: dict[Path, int] = {}

    def run(self) -> dict[Path, Place]:
        table: Path = ()
        self.skip(_SPACE)
        while self.at < len(self.text):
            table = self.header() if self.text[self.at] == "[" else self.pair(table)
            self.skip(_SPACE)
        return self.places

    def skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if not found:
            raise AssertionError(f"no valid TOML at offset {self.at}")
        self.at = found.end()
        return found.group()

    def header(self) -> Path:
        """Consume ``[a.b]`` or ``[[a.b]]`` and return the path of the table it opens."""
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        self.skip(_SPACE)
        start = self.at
        keys = self.keys()
        span = Span(start, self.at)
        self.skip(_SPACE)
        self.at += 2 if double else 1
        path = (*self.opened(keys[:-1], Place(span)), keys[-1])
        if double:
            self.imply(path, Place(span))
            number = self.lengths.get(path, 0)
            self.lengths[path] = number + 1
            path = (*path, number)
        self.note(path, Place(span))
        return path

    def note(self, path: Path, place: Place) -> None:
        if len(path) <= DEEPEST:
            self.places[path] = place

    def imply(self, path: Path, place: Place) -> None:
        """Note a table that appears only as part of another table's name, unless it has a place already."""
        if path not in self.places:
            self.note(path, place)

    def opened(self, keys: list[str], place: Place) -> Path:
        """Return the path of the outer tables of a header; for an array of tables, that of its newest element."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            self.imply(path, place)
            if path in self.lengths:
                path = (*path, self.lengths[path] - 1)
        return path

    def pair(self, table: Path) -> Path:
        """Consume ``a.b = value`` and return the table that contains it."""
        start = self.at
        keys = self.keys()
        span = Span(start, self.at)
        self.skip(_SPACE)
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        path = table
        for key in keys[:-1]:
            path = (*path, key)[: DEEPEST + 1]
            self.imply(path, Place(span))
        path = (*path, keys[-1])[: DEEPEST + 1]
        self.note(path, Place(span, self.value(path)))
        return table

    def keys(self) -> list[str]:
        names = [self.name()]
        while True:
            mark = self.at
            self.skip(_SPACE)
            if self.text[self.at : self.at + 1] != ".":
                self.at = mark
                return names
            self.at += 1
            self.skip(_SPACE)
            names.append(self.name())

    def name(self) -> str:
        match self.text[self.at]:
            case '"':
                return _ESCAPE.sub(_unescape, self.skip(_BASIC)[1:-1])
            case "'":
                return self.skip(_LITERAL)[1:-1]
        return self.skip(_BARE)

    def value(self, path: Path) -> Span:
        start = self.at
        if self.text.startswith('"""', start):
            self.skip(_LONG_BASIC)
        elif self.text.startswith("'''", start):
            self.skip(_LONG_LITERAL)
        elif self.text[start] == '"':
            self.skip(_BASIC)
        elif self.text[start] == "'":
            self.skip(_LITERAL)
        elif self.text[start] == "[":
            self.array(path)
        elif self.text[start] == "{":
            self.inline(path)
        else:
            return Span(start, start + len(self.skip(_SCALAR).rstrip()))
        return Span(start, self.at)

    def array(self, path: Path) -> None:
        self.at += 1
        number = 0
        self.skip(_SPACE)
        while self.text[self.at] != "]":
            start = self.at
            span = self.value((*path, number))
            self.note((*path, number), Place(Span(start, start + 1), span))
            number += 1
            self.separator()
        self.at += 1

    def inline(self, path: Path) -> None:
        self.at += 1
        self.skip(_SPACE)
        while self.text[self.at] != "}":
            self.pair(path)
            self.separator()
        self.at += 1

    def separator(self) -> None:
        self.skip(_SPACE)
        if self.text[self.at] == ",":
            self.at += 1
            self.skip(_SPACE)


def _unescape(found: re.Match[str]) -> str:
    short, long, byte, plain = found.groups()
    digits = short or long or byte
    return chr(int(digits, 16)) if digits else _PLAIN.get(plain, plain)
