from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.errors import DataError
from cellcls.recipe import Expect
from cellcls.runs.folder import RunFolder
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun, read_plan, write_plan

UNFIT = '{"files": [{"name": "x", "runs": [], "expect": [{"metric": "val.accuracy", "order": ["a"]}]}]}'


def test_a_plan_comes_back_as_it_was(tmp_path: Path):
    expected = (
        Expect(metric="val.accuracy", order=("a", "b"), slack=0.01),
        Expect(metric="test.accuracy", difference=("a", "b"), value=-0.02, tolerance=0.01),
    )
    runs = tuple(PlannedRun(folder=f"file-{one}", recipe=f"file-{one}", variant=one) for one in "ab")
    made = Plan(files=(PlannedFile(name="file", runs=runs, expect=expected),))
    write_plan(tmp_path, made)
    assert read_plan(tmp_path) == made
    assert made.label("file-b") == "b"
    assert made.label("elsewhere") is None


def test_a_folder_without_one_has_no_runs(tmp_path: Path):
    assert read_plan(tmp_path) == Plan()


@pytest.mark.parametrize("text", ["no json", "[]", '{"files": [{"name": "x"}]}', UNFIT])
def test_a_damaged_plan_is_told(tmp_path: Path, text: str):
    RunFolder(tmp_path).plan.write_text(text)
    with pytest.raises(DataError, match=r"runs\.json"):
        read_plan(tmp_path)
