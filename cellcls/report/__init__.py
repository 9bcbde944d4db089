"""Figures and one self-contained page from the plain files of a run folder. Nothing here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(run: Path) -> Path:
    """Draw ``figures/*.png`` and write ``report.html`` from what the run folder holds so far; return the page's path.

    Raises ``MissingInputError`` when ``run`` is no run folder, ``DataError`` when one of its files is damaged and
    ``WriteError`` when the folder cannot be written.
    """
    from cellcls.report.run_page import write_run  # matplotlib arrives here

    return write_run(run)
