"""The terminal: progress on stderr, as a bar or in lines where there is none, and tables on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

import attrs

from cellcls.api import events
from cellcls.execution.context import Output, Watch

_WIDTH = 200
"""Columns of a table that goes to no terminal."""


def color_system() -> Literal["auto"] | None:
    """Return rich's setting of colours: none at all, bold neither, where the person set ``NO_COLOR``."""
    return None if os.environ.get("NO_COLOR") else "auto"


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    with suppress(OSError):  # a run does not stop because nobody reads its progress any more
        print(text, file=sys.stderr, flush=True)


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table on stdout, headings as keys; nothing of it is read as markup. No rows: nothing."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD)
    for column in rows[0]:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row.values()))
    console = Console(color_system=color_system(), width=None if sys.stdout.isatty() else _WIDTH)
    with console.capture() as drawn:
        console.print(Text(title, style="bold"), soft_wrap=True)
        console.print(made)
    lines = drawn.get().rstrip().splitlines()
    print("\n".join(line.rstrip() for line in lines if line.strip()), end="\n\n")


def console() -> Output:
    """Return the output of the command line: progress on stderr, tables on stdout."""
    return Output(say=say, table=table, progress=progress)


@contextmanager
def progress() -> Iterator[Watch]:
    """Yield what shows the events of one run."""
    if sys.stderr.isatty() and color_system():
        with _bar() as watch:
            yield watch
    else:
        yield _lines


def _lines(event: events.Event) -> None:
    text = _text(event)
    if text:
        say(text)


def _text(event: events.Event) -> str | None:
    """Return an event as a line for a person, or None where it is not worth one."""
    match event:
        case events.RunStarted():
            again = ", resumed" if event.resumed else ""
            sizes = f"train {event.train:,}, val {event.val:,}, test {event.test:,} images"
            return f"{event.folder}: {sizes}; {event.parameters:,} parameters on {event.device}{again}"
        case events.StageStarted():
            return (
                f"stage {event.name}: up to {event.epochs} epochs of {event.steps_per_epoch} steps, "
                f"{event.trained:,} parameters trained"
            )
        case events.EpochEnded():
            figures = ", ".join(f"{name} {value:.4f}" for name, value in event.metrics.items() if _worth_showing(name))
            best = "  (best)" if event.best else ""
            return f"epoch {event.epoch + 1}: {figures}, {event.seconds:.1f} s{best}"
        case events.StageEnded(reason=str()):
            return f"stage {event.name} ended early: {event.reason}"
        case events.RunEnded():
            return f"{event.folder}: measured and explained; drawing"
    return None


def _worth_showing(metric: str) -> bool:
    return metric in ("train.loss", "train.accuracy") or metric.endswith((".accuracy", ".loss"))


@contextmanager
def _bar() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as made:
        task = made.add_task("opening data and network", total=None, loss="")
        counter = _Counter()

        def watch(event: events.Event) -> None:
            text = _text(event)
            if text:
                made.console.print(text, markup=False, highlight=False)
            counter.see(event)
            if isinstance(event, events.StepEnded):
                where = f"{counter.stage} {event.epoch + 1}/{counter.epochs}"
                done = event.epoch * event.steps + event.step + 1
                made.update(
                    task,
                    description=where,
                    completed=done,
                    total=counter.epochs * event.steps,
                    loss=f"loss {event.loss:.3f}",
                )

        yield watch


@attrs.define
class _Counter:
    stage: str = ""
    epochs: int = 0

    def see(self, event: events.Event) -> None:
        """Remember the running stage."""
        if isinstance(event, events.StageStarted):
            self.stage, self.epochs = event.name, event.epochs


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Yield what shows a step's name, how much of it is done and how much there is (0: unknown)."""
    if not (sys.stderr.isatty() and color_system()):
        last = ""

        def line(text: str, _done: int, _total: int) -> None:
            nonlocal last
            if text != last:
                last = text
                say(f"cellcls: {text}")

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as made:
        task = made.add_task("", total=None)
        yield lambda text, done, total: made.update(task, description=text, completed=done, total=total or None)
