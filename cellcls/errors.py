"""Every error a user can see: one class per exit code, each message saying what is wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """Exit codes of the process, after BSD's ``sysexits.h``. The table in the docs is generated from this enum."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    DATA = 65
    NO_INPUT = 66
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_WRITE = 74
    RESUMABLE = 75
    RECIPE = 78
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """A one-line description."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "success",
    ExitCode.CHECK_FAILED: "finished, but a check failed",
    ExitCode.USAGE: "invalid command-line usage",
    ExitCode.DATA: "the data or the weights are invalid",
    ExitCode.NO_INPUT: "an input (recipe, data, weights, run) is missing",
    ExitCode.UNAVAILABLE: "a plugin or an extra is missing",
    ExitCode.BUG: "a bug in cellcls or in a plugin; a crash file was written",
    ExitCode.CANNOT_WRITE: "an output file could not be written",
    ExitCode.RESUMABLE: "stopped early; the run can be resumed",
    ExitCode.RECIPE: "the recipe is invalid",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; state saved",
    ExitCode.TERMINATED: "terminated by SIGTERM; state saved",
}


class CellclsError(Exception):
    """A problem a user can act on.

    ``message`` says what is wrong and where; ``hints`` are possible fixes, one line each.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {hint}" for hint in self.hints)])


class UsageError(CellclsError):
    """Command-line arguments are invalid or incompatible."""

    exit_code = ExitCode.USAGE


class DataError(CellclsError):
    """A data set, an image or a weights file was found but its content is invalid."""

    exit_code = ExitCode.DATA


class MissingInputError(CellclsError):
    """A recipe, data set, weights file or run was not found."""

    exit_code = ExitCode.NO_INPUT


class MissingPluginError(CellclsError):
    """A plugin or an optional library that is needed is not installed."""

    exit_code = ExitCode.UNAVAILABLE


class PluginError(CellclsError):
    """A component violated its contract: a bug in the plugin that provides it."""

    exit_code = ExitCode.UNAVAILABLE


class WriteError(CellclsError):
    """A file could not be written; no partial file is left behind."""

    exit_code = ExitCode.CANNOT_WRITE


class StoppedError(CellclsError):
    """A run stopped before it finished; its state was saved."""

    exit_code = ExitCode.RESUMABLE


class InterruptedRunError(CellclsError):
    """A run was interrupted (Ctrl-C or SIGTERM) after its state was saved."""

    def __init__(self, message: str, *hints: str, code: ExitCode) -> None:
        super().__init__(message, *hints)
        self.exit_code = code  # type: ignore[misc]  # Ctrl-C and SIGTERM differ in this alone


class RecipeError(CellclsError):
    """A recipe is invalid, or asks for something impossible."""

    exit_code = ExitCode.RECIPE


class Problems:
    """Collects the errors of several inputs, so that the user sees all of them at once."""

    def __init__(self) -> None:
        self.errors: list[CellclsError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Record an error raised in the block instead of propagating it."""
        try:
            yield
        except CellclsError as error:
            self.errors.append(error)

    def raise_any(self) -> None:
        """Raise the recorded errors as one. Its exit code is the first that occurs of recipe, plugin, input, data."""
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        combined = CellclsError("\n".join(self._lines()))
        codes = [error.exit_code for error in self.errors]
        order = (ExitCode.RECIPE, ExitCode.UNAVAILABLE, ExitCode.NO_INPUT, ExitCode.DATA)
        combined.exit_code = next((code for code in order if code in codes), codes[0])  # type: ignore[misc]
        raise combined

    def _lines(self) -> Iterator[str]:
        """Yield the text of each error; a hint that several errors share is given only once."""
        shown: set[str] = set()
        for error in self.errors:
            new = [hint for hint in error.hints if hint not in shown]
            if new or error.message not in shown:
                yield str(CellclsError(error.message, *new))
            shown |= {error.message, *error.hints}


def closest(wrong: str, right: Iterable[str]) -> str | None:
    """Return the name that ``wrong`` may be a misspelling of."""
    from difflib import get_close_matches  # quick start-up: only errors need it

    return next(iter(get_close_matches(wrong, list(right), n=1)), None)


def suggestion(wrong: str, right: Iterable[str]) -> str:
    """Return ``did you mean `x`?`` with two blanks behind it, or an empty string if no name is close."""
    close = closest(wrong, right)
    return f"did you mean `{close}`?  " if close else ""
