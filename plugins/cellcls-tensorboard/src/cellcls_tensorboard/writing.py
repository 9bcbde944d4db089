"""Points of curves in a run's event files."""

from __future__ import annotations

import os
from pathlib import Path

from tensorboardX import SummaryWriter

from cellcls.api import events

FOLDER = "tensorboard"


def write_epoch(run: Path, event: events.EpochEnded) -> None:
    """Write the figures of an epoch; its place is the number of lines that the run's history has.

    Of several processes (torchrun) only the first writes. Points that a stopped run had written beyond are purged
    by TensorBoard, which drops what an event file that was opened later repeats.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    history = run / "history.jsonl"
    place = len(history.read_text(encoding="utf-8").splitlines())
    # a file an epoch: names are of the second, so two within one would be the same file
    writer = SummaryWriter(str(run / FOLDER), purge_step=place, filename_suffix=f".{place:05}")
    try:
        for name, value in {**event.metrics, "seconds": event.seconds}.items():
            writer.add_scalar(name.replace(".", "/"), value, place)
    finally:
        writer.close()
