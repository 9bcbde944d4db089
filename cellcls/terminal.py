"""Output for the terminal: progress on stderr, as a bar or as lines, and tables on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

import attrs

from cellcls.api import events
from cellcls.execution.context import Output, Watch
from cellcls.ops.text import visible

_WIDTH = 200
"""Width of tables that are not printed to a terminal, in characters."""


def color_system() -> Literal["auto"] | None:
    """Return rich's colour system: None, which also turns off bold text, if ``NO_COLOR`` is set."""
    return None if os.environ.get("NO_COLOR") else "auto"


def say(text: str) -> None:
    """Print a line of progress on stderr."""
    with suppress(OSError):  # a run does not fail because stderr is closed
        print(visible(text, keep="\n"), file=sys.stderr, flush=True)


def answer(text: str) -> None:
    """Print text on stdout, where a table does not fit."""
    print(visible(text, keep="\n"), flush=True)


def table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows on stdout as a table with their keys as headings, without interpreting markup. No rows: nothing."""
    if not rows:
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rich_table = Table(box=box.SIMPLE_HEAD)
    for column in rows[0]:
        rich_table.add_column(column, overflow="fold")
    for row in rows:
        rich_table.add_row(*(Text(visible(str(cell), keep="\n")) for cell in row.values()))
    console = Console(color_system=color_system(), width=None if sys.stdout.isatty() else _WIDTH)
    with console.capture() as drawn:
        console.print(Text(visible(title), style="bold"), soft_wrap=True)
        console.print(rich_table)
    lines = drawn.get().rstrip().splitlines()
    print("\n".join(line.rstrip() for line in lines if line.strip()), end="\n\n")


def console() -> Output:
    """Return the output of the command line: progress on stderr, tables on stdout."""
    return Output(say=say, table=table, progress=progress)


@contextmanager
def progress() -> Iterator[Watch]:
    """Yield a function that shows the events of a run."""
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
    """Return an event as a line of text, or None for minor events."""
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
            metrics = ", ".join(f"{name} {value:.4f}" for name, value in event.metrics.items() if _worth_showing(name))
            best = "  (best)" if event.best else ""
            return f"epoch {event.epoch + 1}: {metrics}, {event.seconds:.1f} s{best}"
        case events.StageEnded(reason=str()):
            return f"stage {event.name} ended early: {event.reason}"
        case events.RunEnded():
            return f"{event.folder}: evaluated and explained; writing the report"
    return None


def _worth_showing(metric: str) -> bool:
    return metric in ("train.loss", "train.accuracy") or metric.endswith((".accuracy", ".loss"))


@contextmanager
def _bar() -> Iterator[Watch]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("opening data and network", total=None, loss="")
        counter = _Counter()

        def watch(event: events.Event) -> None:
            text = _text(event)
            if text:
                bar.console.print(text, markup=False, highlight=False)
            counter.see(event)
            if isinstance(event, events.StepEnded):
                where = f"{counter.stage} {event.epoch + 1}/{counter.epochs}"
                done = event.epoch * event.steps + event.step + 1
                bar.update(
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
    """Yield a function that shows the name of a step, the amount done and the total (0: unknown)."""
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda text, done, total: bar.update(task, description=text, completed=done, total=total or None)
