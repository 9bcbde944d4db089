"""What came of a run, as data."""

from __future__ import annotations

import json
from pathlib import Path

from cellcls.errors import ExitCode
from cellcls.execution.result import failed, result_of
from cellcls.runs.folder import RunFolder

from .conftest import trained


def test_a_finished_run_has_its_metrics_as_they_are_in_its_file(place: Path) -> None:
    trained(place / "run", 6)
    data = result_of(RunFolder(place / "run")).to_data()
    file = json.loads((place / "run" / "metrics.json").read_text())
    assert (data["run"], data["exit_code"]) == (str(place / "run"), 0)
    assert data["metrics"]["evaluations"]["test"]["accuracy"] == file["evaluations"]["test"]["accuracy"] == 0.6
    assert json.loads(json.dumps(data)) == data


def test_a_failed_run_has_a_code_and_no_metrics(place: Path) -> None:
    assert failed(place / "run", ExitCode.NO_INPUT).to_data() == {
        "run": str(place / "run"),
        "exit_code": 66,
        "metrics": None,
    }
