"""What the runs of one call say together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cellcls.execution.result import RunResult
from cellcls.runs.folder import RunFolder
from cellcls.runs.plan import read_plan

if TYPE_CHECKING:
    from cellcls.report.compare import RunComparison


def compare_results(results: Sequence[RunResult]) -> RunComparison | None:
    """Compare the runs of one call, and write it where they share a folder; None where nothing was evaluated.

    A single run is compared with nothing, but what its file expects of its evaluations is judged.
    """
    from cellcls.report.compare_page import write_comparison
    from cellcls.report.compare_read import read_comparison

    if not any(result.metrics and result.metrics.evaluations for result in results):
        return None
    run = results[0].folder
    if not RunFolder(run.parent).plan.is_file():
        return read_comparison([run])
    comparison = read_comparison([run.parent], read_plan(run.parent).by)
    write_comparison(comparison, run.parent)
    return comparison
