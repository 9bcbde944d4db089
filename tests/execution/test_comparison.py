"""What the runs of one call say together."""

from __future__ import annotations

from pathlib import Path

from cellcls.execution.comparison import compare_results
from cellcls.execution.result import RunResult, failed, result_of
from cellcls.runs.folder import RunFolder
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun, write_plan

from .conftest import trained


def made(folder: Path, right: int) -> RunResult:
    trained(folder, right)
    return result_of(RunFolder(folder))


def test_runs_that_share_a_folder_are_compared_there(place: Path) -> None:
    results = [made(place / "out" / "a", 4), made(place / "out" / "b", 9)]
    runs = tuple(PlannedRun(folder=name, recipe=name) for name in "ab")
    write_plan(place / "out", Plan(files=(PlannedFile(name="two", runs=runs),), by="test.macro_f1"))
    found = compare_results(results)
    assert [one.label for one in found.standings] == ["b", "a"]
    assert found.by == "test.macro_f1"
    assert (place / "out" / "comparison.html").is_file()


def test_a_single_run_is_compared_with_nothing_and_nothing_is_written(place: Path) -> None:
    found = compare_results([made(place / "one", 5)])
    assert [one.label for one in found.standings] == ["one"]
    assert not (place / "comparison.html").exists()


def test_where_nothing_was_evaluated_there_is_nothing_to_compare(place: Path) -> None:
    assert compare_results([failed(place / "one", 70)]) is None
    assert compare_results([RunResult(folder=place / "one")]) is None
