"""The comparison of the runs of one command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cellcls.execution.result import RunResult
from cellcls.runs.folder import RunFolder
from cellcls.runs.plan import read_plan

if TYPE_CHECKING:
    from cellcls.report.compare import RunComparison


def compare_results(results: Sequence[RunResult]) -> RunComparison | None:
    """Compare the runs of a command and write the comparison to their shared folder, if any. None without evaluations.

    A single run has nothing to compare with, but what its file expects of its evaluations is checked.
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
