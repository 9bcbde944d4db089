"""Text from outside, made harmless for where it goes: a terminal, a spreadsheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula for a spreadsheet."""


def visible(text: str, *, keep: str = "") -> str:
    """Return text with unprintable characters escaped, except for those in ``keep``: names and messages may hold what a
    terminal obeys (colours, the clipboard, the direction of writing)."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in keep else repr(letter)[1:-1] for letter in text)


def cell(text: str) -> str:
    """Return text for a cell of a CSV file: what a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith((*_FORMULA, "'")) else text


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV in which no text is a formula. Every CSV file that cellcls writes is made here."""
    return "".join(",".join(_quoted(_shown(value)) for value in row) + "\n" for row in rows)


def _shown(value: object) -> str:
    return cell(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(character in text for character in ',"\r\n') else text


def cell_text(text: str) -> str:
    """Return the text that ``cell`` was given."""
    return text.removeprefix("'")
