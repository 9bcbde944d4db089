"""Every error a user can see: one class per exit code, one message that says what, where and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What the process ends with; the table in the docs is made from this enum. Values follow BSD's ``sysexits.h``."""

    DONE = 0
    WANTING = 1
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
        """One line for a person."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.WANTING: "checked and found wanting",
    ExitCode.USAGE: "wrong usage of the command line",
    ExitCode.DATA: "the data or the weights are bad",
    ExitCode.NO_INPUT: "an input (recipe, data, weights, run) is missing",
    ExitCode.UNAVAILABLE: "a plugin or an extra is missing",
    ExitCode.BUG: "a bug in cellcls or in a plugin; a crash file was written",
    ExitCode.CANNOT_WRITE: "cannot write",
    ExitCode.RESUMABLE: "stopped; can be resumed",
    ExitCode.RECIPE: "the recipe is wrong",
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C; state saved",
    ExitCode.TERMINATED: "ended by SIGTERM; state saved",
}


class CellclsError(Exception):
    """A problem a user can act on.

    ``message`` says what is wrong and where; ``hints`` are the ways out, one line each.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, message: str, *hints: str) -> None:
        super().__init__(message)
        self.message = message
        self.hints = hints

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {hint}" for hint in self.hints)])


class UsageError(CellclsError):
    """The command line asks for something that does not fit together."""

    exit_code = ExitCode.USAGE


class DataError(CellclsError):
    """A data set, an image or a weights file was read and is not what it should be."""

    exit_code = ExitCode.DATA


class MissingInputError(CellclsError):
    """A recipe, data set, weights file or run is not where it was looked for."""

    exit_code = ExitCode.NO_INPUT


class MissingPluginError(CellclsError):
    """A plugin or an optional library that is needed is not installed."""

    exit_code = ExitCode.UNAVAILABLE


class PluginError(CellclsError):
    """A component broke its contract: a bug of the plugin that offers it."""

    exit_code = ExitCode.UNAVAILABLE


class WriteError(CellclsError):
    """A file could not be written; nothing half-written is left."""

    exit_code = ExitCode.CANNOT_WRITE


class StoppedError(CellclsError):
    """A run stopped before its end and its state is on disk."""

    exit_code = ExitCode.RESUMABLE


class InterruptedRunError(CellclsError):
    """A person or the system asked the run to end, and its state was saved first."""

    def __init__(self, message: str, *hints: str, code: ExitCode) -> None:
        super().__init__(message, *hints)
        self.exit_code = code  # type: ignore[misc]  # Ctrl-C and SIGTERM differ in this alone


class RecipeError(CellclsError):
    """A recipe says something that cannot be done."""

    exit_code = ExitCode.RECIPE


class Problems:
    """Errors of several things that are looked at together, to be told in one list."""

    def __init__(self) -> None:
        self.found: list[CellclsError] = []

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the error that ends the block, and go on."""
        try:
            yield
        except CellclsError as error:
            self.found.append(error)

    def tell(self) -> None:
        """Raise what was kept as one error, its exit code the first of recipe, plugin, input, data."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise self.found[0]
        told = CellclsError("\n".join(self._lines()))
        codes = [one.exit_code for one in self.found]
        order = (ExitCode.RECIPE, ExitCode.UNAVAILABLE, ExitCode.NO_INPUT, ExitCode.DATA)
        told.exit_code = next((code for code in order if code in codes), codes[0])  # type: ignore[misc]
        raise told

    def _lines(self) -> Iterator[str]:
        """Yield every error, and a hint that several have with the first of them only."""
        said: set[str] = set()
        for one in self.found:
            new = [hint for hint in one.hints if hint not in said]
            if new or one.message not in said:
                yield str(CellclsError(one.message, *new))
            said |= {one.message, *one.hints}
