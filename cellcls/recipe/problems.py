"""Problems of a recipe: reported all at once, each with its place, the source line and a hint."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from cellcls.errors import RecipeError
from cellcls.ops.text import visible
from cellcls.recipe.scan import Path, Place, Span, position

_MAX_LINE = 200
_MAX_MESSAGE = 4000
"""Characters of a line, and of a message, that are shown."""


@attrs.frozen
class Text:
    """A text that a recipe was read from: a file, or a ``--set`` on the command line."""

    name: str
    content: str
    is_file: bool = True


@attrs.frozen
class Origin:
    """Where a key and its value were written."""

    text: Text
    place: Place

    def __str__(self) -> str:
        line, column = position(self.text.content, self.place.key.start)
        return f"{self.text.name}:{line}:{column}" if self.text.is_file else self.text.name

    def show(self, message: str, *, value: bool) -> str:
        """Return ``message`` with its place; for a file, also the source line with carets below the key or value."""
        message = shortened(message)
        if not self.text.is_file:
            return f"{self.text.name}: {message}"
        span = (self.place.value if value else None) or self.place.key
        line, column = position(self.text.content, span.start)
        source = self.text.content.split("\n")[line - 1]
        width = max(1, min(span.end - span.start, len(source) - column + 1))
        margin = " " * 4
        number = f"{line:>{len(margin) + 2}}"
        if len(source) > _MAX_LINE:
            first = max(0, column - 1 - _MAX_LINE // 2)
            source, column = source[first : first + _MAX_LINE], column - first
            width = min(width, len(source) - column + 1)
        blank = "".join(letter if letter == "\t" else " " for letter in source[: column - 1])
        return "\n".join(
            [
                f"{self.text.name}:{line}:{column}: {message}",
                f"{number} | {source}",
                f"{' ' * len(number)} | {blank}{'^' * width}",
            ]
        )


@attrs.frozen
class Problem:
    """A problem: ``path`` is where, ``value`` whether the value is wrong rather than the key."""

    path: Path
    message: str
    hint: str = ""
    value: bool = True
    missing: bool = False
    """Whether a plugin that is not installed may be the reason."""


@attrs.frozen
class Shown:
    """A problem as text, and its place (name of the text and offset) to sort by."""

    text: str
    place: tuple[str, int]


class RecipeProblems(RecipeError):
    """All problems of a recipe, in the order of the file, each once."""

    def __init__(self, shown: Iterable[Shown]) -> None:
        ordered = sorted(shown, key=lambda problem: problem.place)
        self.shown = tuple(dict.fromkeys(problem.text for problem in ordered))
        super().__init__("\n".join(self.shown))


def show(problem: Problem, origins: dict[Path, Origin], whole: Text) -> Shown:
    """Return a problem at its place, or at the nearest place in the file: inside the table it is about, or above."""
    path = _nearest(problem.path, origins)
    origin = origins.get(path)
    if origin is None:
        text, place = f"{whole.name}:1:1: {shortened(problem.message)}", (whole.name, 0)
    else:
        text = origin.show(problem.message, value=problem.value and path == problem.path)
        place = (origin.text.name, origin.place.key.start)
    return Shown(f"{text}\n  {shortened(problem.hint)}" if problem.hint else text, place)


def shortened(text: str) -> str:
    """Return text with control characters escaped, and cut: it may hold a value of a megabyte."""
    return visible(text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]} ...")


def _nearest(path: Path, origins: dict[Path, Origin]) -> Path:
    while path and path not in origins:
        within = next((written for written in origins if written[: len(path)] == path), None)
        path = path[:-1] if within is None else within
    return path


def whole_line(content: str, line: int) -> Span:
    """Return the span of a line, counted from 1."""
    lines = content.split("\n")
    start = sum(len(text) + 1 for text in lines[: line - 1])
    return Span(start, start + len(lines[line - 1]))
