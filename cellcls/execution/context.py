"""What every execution needs beside its recipe: plugins, the machine's options, and where to say what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import attrs

from cellcls.registry import Registry
from cellcls.runs.options import Options

if TYPE_CHECKING:
    from cellcls.api import Launcher
    from cellcls.api.events import Event

Watch = Callable[["Event"], None]
"""Is called with every event of a run."""


@contextmanager
def _unwatched() -> Iterator[Watch]:
    yield lambda _event: None


@attrs.frozen(kw_only=True)
class Output:
    """Where an execution says what it does. The default says nothing."""

    say: Callable[[str], None] = lambda _text: None
    """Shows a line of progress or a warning."""
    table: Callable[[str, Sequence[Mapping[str, object]]], None] = lambda _title, _rows: None
    """Shows rows, their keys as headings, under a title."""
    progress: Callable[[], AbstractContextManager[Watch]] = _unwatched
    """Opens what shows the events of one run."""


@attrs.frozen(kw_only=True)
class ChosenLauncher:
    """A launcher as it was asked for."""

    said: str
    launcher: Launcher


@attrs.frozen(kw_only=True)
class Context:
    """What every execution needs beside its recipe."""

    registry: Registry
    options: Options = attrs.field(factory=Options)
    output: Output = attrs.field(factory=Output)
    launcher: ChosenLauncher | None = None
    """Who executes several runs; None: this process, one after another."""
