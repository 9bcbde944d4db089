"""Figures and a self-contained page from the files of a run folder. Nothing here imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write(run: Path) -> Path:
    """Draw ``figures/*.png`` and write ``report.html`` from the files of a run folder; return the page's path.

    Raises ``MissingInputError`` if ``run`` is not a run folder, ``DataError`` if one of its files is damaged, and
    ``WriteError`` if the folder cannot be written.
    """
    from cellcls.report.run_page import write_run  # matplotlib arrives here

    return write_run(run)
