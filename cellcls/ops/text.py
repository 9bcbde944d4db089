"""Text from outside, made harmless for where it goes: a terminal, a spreadsheet."""

from __future__ import annotations

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


def cell_text(text: str) -> str:
    """Return the text that ``cell`` was given."""
    return text.removeprefix("'")
