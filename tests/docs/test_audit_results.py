"""The page of the audit's benchmarks says what was measured, and what was missed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "audit_results_page.py"
MEASURED = {
    "benchmark": "audit_copies",
    "machine": {"cores": 2, "processor": "a processor", "python": "3.11.4"},
    "goals": [
        {"what": "recall", "wanted": "at least 0.95", "measured": "0.971", "met": True},
        {"what": "precision", "wanted": "at least 0.99", "measured": "0.912", "met": False},
    ],
    "tables": [{"title": "Copies", "rows": [{"sort": "turned|mirrored", "recall": "0.971"}], "note": "A note."}],
    "measured": {},
}


def write(tmp_path: Path, measured: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "copies.json").write_text(measured)
    command = [sys.executable, TOOL, "copies.json", "--out", "page.md"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)


def test_goals_stand_beside_figures(tmp_path: Path):
    assert write(tmp_path, json.dumps(MEASURED)).returncode == 0
    page = (tmp_path / "page.md").read_text()
    assert "1 of 2 goals are met, 1 missed." in page
    assert "| audit_copies | precision | at least 0.99 | 0.912 | **missed** |" in page
    assert "| turned\\|mirrored | 0.971 |" in page
    assert "A note." in page


def test_another_file_is_refused(tmp_path: Path):
    for other in ("{}", "[]", "no json"):
        said = write(tmp_path, other)
        assert said.returncode == 1
        assert "--json" in said.stderr
        assert "Traceback" not in said.stderr
    assert not (tmp_path / "page.md").exists()
