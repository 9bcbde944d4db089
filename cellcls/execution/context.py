"""What every execution needs besides its recipe: plugins, options of the machine, and an output for messages."""

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
"""Called with every event of a run."""


@contextmanager
def _unwatched() -> Iterator[Watch]:
    yield lambda _event: None


@attrs.frozen(kw_only=True)
class Output:
    """Where an execution reports what it does. The default is silent."""

    say: Callable[[str], None] = lambda _text: None
    """Show a line of progress or a warning."""
    table: Callable[[str, Sequence[Mapping[str, object]]], None] = lambda _title, _rows: None
    """Show rows under a title, with their keys as headings."""
    progress: Callable[[], AbstractContextManager[Watch]] = _unwatched
    """Open a progress display for the events of a run."""


@attrs.frozen(kw_only=True)
class ChosenLauncher:
    """A launcher, and the text of the option that chose it."""

    text: str
    launcher: Launcher


@attrs.frozen(kw_only=True)
class Context:
    """What every execution needs besides its recipe."""

    registry: Registry
    options: Options = attrs.field(factory=Options)
    output: Output = attrs.field(factory=Output)
    launcher: ChosenLauncher | None = None
    """What executes several runs; None: this process, one after another."""
