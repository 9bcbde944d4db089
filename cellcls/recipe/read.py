"""Reads a recipe file and the chain of its bases into one layer."""

from __future__ import annotations

import re
from pathlib import Path as FilePath

import attrs
import tomli

from cellcls.errors import MissingInputError, RecipeError, suggestion
from cellcls.ops.storage.paths import expanded, is_device
from cellcls.recipe.backslashes import advice_on, misread
from cellcls.recipe.overlay import Layer, merge
from cellcls.recipe.problems import Origin, RecipeProblems, Shown, Text, whole_line
from cellcls.recipe.scan import Place, scan
from cellcls.recipe.shipped import instead_of

MAX_BYTES = 1 << 20
_LONG_NUMBER = re.compile(r"[0-9_]{4000,}")
_OWN = ("name", "claim", "expect", "variants", "sweep", "base")
"""Keys that are never inherited from a base."""

_TOML = "the rules of TOML: https://toml.io/en/v1.0.0"
_ADVICE = {
    "Invalid value": 'write strings in quotes ("a string"), true and false in lower case, lists in [ ]',
    "Unterminated string": "the closing quote is missing",
    "Illegal character": "the closing quote is missing, or a character is not allowed here",
    "Cannot overwrite a value": "the key appears twice: remove one",
    "Cannot declare": "the section appears twice: join them, or write [[section]] for a list of sections",
    "Unclosed array": "the closing ] is missing",
    "Unclosed inline table": "the closing } is missing",
    "Expected newline": "write one KEY = VALUE per line, and numbers without leading zeros",
}


def read(path: FilePath, seen: tuple[FilePath, ...] = ()) -> tuple[Text, Layer]:
    """Read a file on top of its base; ``seen`` are the files that led here.

    Raises ``MissingInputError`` if a file is missing, ``RecipeError`` if it cannot be parsed.
    """
    text = _text(path)
    layer = _parse(text)
    if "base" not in layer.data:
        return text, layer
    base, origin = layer.data["base"], layer.origins[("base",)]
    if not isinstance(base, str):
        raise _at(
            origin, "`base` must be a path (a string)", 'write base = "other.toml"; this recipe then overrides that one'
        )
    if wrong := misread(base):
        raise _at(origin, f"`base` {wrong[0]}", wrong[1])
    below = path.parent / expanded(base)
    if not below.is_file():
        raise MissingInputError(
            origin.show(f"no base recipe at {below}", value=True), "the path is relative to the folder of this file"
        )
    led_here = (*seen, path.resolve())
    if below.resolve() in led_here:
        raise _at(origin, f"`base` leads back to {below}", "a recipe cannot be its own base: remove one `base`")
    return text, merge(read(below, led_here)[1].without(*_OWN), layer)


def _at(origin: Origin, message: str, hint: str) -> RecipeProblems:
    shown = f"{origin.show(message, value=True)}\n  {hint}"
    return RecipeProblems([Shown(shown, (origin.text.name, origin.place.key.start))])


def _text(path: FilePath) -> Text:
    if not path.exists():
        near = [str(file) for file in sorted(path.parent.glob("*.toml"))] if path.parent.is_dir() else []
        hint = suggestion(str(path), near).strip() or instead_of(path.stem)
        raise MissingInputError(f"no recipe at {path}", hint)
    if is_device(path):
        raise MissingInputError(f"{path}: a device or a pipe; a recipe is a file")
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
            size = file.seek(0, 2)
    except OSError as error:
        raise MissingInputError(f"{path}: cannot read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RecipeError(f"{path}: {size:,} bytes; a recipe has at most {MAX_BYTES:,}")
    try:
        # some editors write a byte order mark first
        return Text(str(path), content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path}:{line}: not UTF-8 text", "save the file as UTF-8") from error


def _parse(text: Text) -> Layer:
    try:
        data = tomli.loads(text.content)
        places = scan(text.content)
    except tomli.TOMLDecodeError as error:
        span = whole_line(text.content, error.lineno)
        origin = Origin(text, Place(attrs.evolve(span, start=span.start + max(0, error.colno - 1))))
        advice = advice_on(error.msg, text.content[span.start : span.end]) or next(
            (advice_text for start, advice_text in _ADVICE.items() if error.msg.startswith(start)), ""
        )
        raise _at(origin, f"broken TOML: {error.msg}", f"{advice}.  {_TOML}" if advice else _TOML) from error
    except RecursionError as error:
        raise RecipeError(f"{text.name}: broken TOML: {error}") from error
    except ValueError as error:  # Python reads no integer of thousands of digits
        found = _LONG_NUMBER.search(text.content)
        place = f"{text.name}:{text.content.count(chr(10), 0, found.start()) + 1}" if found else text.name
        raise RecipeError(f"{place}: broken TOML: a number of thousands of digits") from error
    return Layer(data, {path: Origin(text, place) for path, place in places.items()})
