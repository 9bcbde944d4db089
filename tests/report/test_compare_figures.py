"""The figures of a comparison: what is drawn where."""

from __future__ import annotations

from pathlib import Path

from support.runs import FAIR, write_small_run

from cellcls.report import compare_figures
from cellcls.report.compare_read import read_comparison


def test_runs_that_drew_alike_share_a_panel(parent: Path):
    assert compare_figures.drawings(read_comparison([parent])) == {}
    for name in ("offline", "generator"):
        write_small_run(parent / name, {"test": FAIR, "val": FAIR}, copies=20)
    found = compare_figures.drawings(read_comparison([parent]))
    assert list(found) == ["good, fair, poor", "generator, offline"]
    assert "draws.png" in compare_figures.draw(read_comparison([parent]))
