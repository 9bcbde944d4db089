"""Points of curves in a run's event files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tensorboardX import SummaryWriter

FOLDER = "tensorboard"
_OPEN: dict[Path, tuple[SummaryWriter, int]] = {}
"""The writer of each run in progress and how many epochs it wrote: a component is frozen and cannot keep it."""


def write_epochs(run: Path) -> None:
    """Write the metrics of each epoch in the run's history that is not written yet, at its place there.

    A process writes one file, which starts with the epochs of processes before it: TensorBoard drops what earlier files
    hold, so a run that was killed leaves no gap.
    """
    history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    if run not in _OPEN:
        # names are of the second: one who resumes within it would write over the file of the process before
        suffix = f".{os.getpid()}"
        _OPEN[run] = SummaryWriter(str(run / FOLDER), purge_step=1, filename_suffix=suffix, flush_secs=5), 0
    writer, done = _OPEN[run]
    for place, line in enumerate(history[done:], done + 1):
        for name, value in json.loads(line).items():
            if "." in name or name in ("lr", "seconds"):  # the other keys say which epoch it is
                writer.add_scalar(name.replace(".", "/"), value, place)
    _OPEN[run] = writer, len(history)


def close(run: Path) -> None:
    """End the file of a run, if it has one."""
    if run in _OPEN:
        _OPEN.pop(run)[0].close()
