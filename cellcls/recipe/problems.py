"""Problems of a recipe: all at once, each with its place, the source line, a suggestion and the next command."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

import attrs

from cellcls.errors import RecipeError
from cellcls.recipe.scan import Path, Place, Span, position


@attrs.frozen
class Text:
    """A text that a recipe was read from: a file, or one ``--set`` of the command line."""

    name: str
    content: str


@attrs.frozen
class Origin:
    """Where a key and its value were written."""

    text: Text
    place: Place

    def __str__(self) -> str:
        line, column = position(self.text.content, self.place.key.start)
        return f"{self.text.name}:{line}:{column}" if "\n" in self.text.content else self.text.name

    def show(self, message: str, *, value: bool) -> str:
        """Return ``message`` under its place, with the source line and carets below the key or the value."""
        span = (self.place.value if value else None) or self.place.key
        line, column = position(self.text.content, span.start)
        source = self.text.content.split("\n")[line - 1]
        width = max(1, min(span.end - span.start, len(source) - column + 1))
        margin = " " * 4
        number = f"{line:>{len(margin) + 2}}"
        return "\n".join(
            [
                f"{self.text.name}:{line}:{column}: {message}",
                f"{number} | {source}",
                f"{' ' * len(number)} | {' ' * (column - 1)}{'^' * width}",
            ]
        )


@attrs.frozen
class Problem:
    """One thing that is wrong: ``path`` is where, ``value`` whether the value is meant rather than the key."""

    path: Path
    message: str
    hint: str = ""
    value: bool = True
    missing: bool = False
    """Whether it may come from a plugin that is not installed."""


class RecipeProblems(RecipeError):
    """Everything that is wrong with a recipe."""

    def __init__(self, shown: Iterable[str]) -> None:
        self.shown = tuple(shown)
        super().__init__("\n".join(self.shown))


def show(problem: Problem, origins: dict[Path, Origin], whole: Text) -> str:
    """Return a problem at its place, or at the nearest place above it that was written."""
    path = problem.path
    while path and path not in origins:
        path = path[:-1]
    origin = origins.get(path)
    if origin is None:
        shown = f"{whole.name}:1:1: {problem.message}"
    else:
        shown = origin.show(problem.message, value=problem.value and path == problem.path)
    return f"{shown}\n  {problem.hint}" if problem.hint else shown


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """Return ``did you mean `x`?`` or nothing."""
    close = get_close_matches(wrong, list(right), n=1)
    return f"did you mean `{close[0]}`?  " if close else ""


def dotted(path: Path) -> str:
    """Return a path as it is written after ``--set``: ``stages.0.optimizer.lr``."""
    return ".".join(map(str, path))


def whole_line(content: str, line: int) -> Span:
    """Return the span of a line, counted from 1."""
    lines = content.split("\n")
    start = sum(len(text) + 1 for text in lines[: line - 1])
    return Span(start, start + len(lines[line - 1]))
