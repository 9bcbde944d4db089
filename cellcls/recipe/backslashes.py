"""Paths with backslashes in a recipe: double quotes read a backslash with the letter behind it as another letter."""

from __future__ import annotations

import re

_ESCAPES = {"\b": r"\b", "\t": r"\t", "\n": r"\n", "\f": r"\f", "\r": r"\r", "\x1b": r"\e"}
_BLAMED = ("Unescaped", "Invalid hex", "Escaped", "Unterminated string", "Illegal character")
"""How errors begin that a backslash may be the cause of."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/\x00-\x1f]")


def spelled(path: str) -> str:
    """Return how to write a path that has backslashes."""
    quoted = f"in single quotes: '{path}', or " if "'" not in path else ""
    return f'write a path {quoted}with slashes: "{path.replace(chr(92), "/")}"'


def misread(value: str) -> tuple[str, str] | None:
    """Return what is wrong with a path that has control characters, and how to write it; None for any other."""
    found = list(dict.fromkeys(_CONTROL.findall(value)))
    if not found:
        return None
    written = "".join(_ESCAPES.get(letter, letter) for letter in value)
    read = [_ESCAPES[letter] for letter in found if letter in _ESCAPES]
    if not read:
        return "has a control character in it, which no path has", ""
    return f"is no path: double quotes read {' and '.join(read)} in it as control characters", spelled(written)


def has_drive(value: str) -> bool:
    r"""Tell whether a text is a path of Windows: ``C:\data``."""
    return _DRIVE.match(value) is not None


def advice_on(error: str, line: str) -> str | None:
    """Return how to write the first path of a line that TOML cannot read; None where no backslash is to blame.

    ``error``: the reader's message.
    """
    text = re.search(r'"([^"\n]*\\[^"\n]*)', line)
    blamed = error.startswith(_BLAMED) and text is not None and re.search(r"\\.", text[1].replace(r"\\", ""))
    return spelled(text[1].rstrip("\\")) if text and blamed else None
