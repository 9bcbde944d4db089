"""A run becomes the packaged model: ``tools/pack_model.py``."""

from __future__ import annotations

import json
from pathlib import Path

import pack_model
import pytest
from click.testing import CliRunner

from cellcls.runs.records import DataRecord, read


def test_a_run_is_packed_and_its_card_has_its_figures(
    cli, shared_run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pack_model, "TARGET", tmp_path)
    measured = cli("evaluate", shared_run, "--data", pictures, "--json").json()
    (tmp_path / "measured.json").write_text(json.dumps(measured))
    (tmp_path / "marked.json").write_text(json.dumps([{"unknown": "unlike"}, {"unknown": ""}, {"unknown": ""}]))
    given = ["--measured", f"a folder={tmp_path / 'measured.json'}", "--marked", f"text={tmp_path / 'marked.json'}"]
    said = CliRunner().invoke(pack_model.main, [str(shared_run), *given])
    assert said.exit_code == 0, said.output
    lines = (tmp_path / "card.md").read_text().splitlines()
    metrics = json.loads((shared_run / "metrics.json").read_text())["evaluations"]
    rows = {line.split(" | ")[0].removeprefix("| "): line.strip("| ").split(" | ") for line in lines if "|" in line}
    assert rows["part `test` of the run"][1:3] == ["16", f"{metrics['test']['accuracy']:.1%}"]
    assert rows["a folder"][2] == f"{measured['accuracy']:.1%}"
    assert rows["text"] == ["text", "3", "33.3%", "6.1% to 79.2%"]  # Wilson's interval of 1 in 3
    assert rows["basophil"][-1] == "2"
    assert max(map(len, lines)) < 400
    kept, whole = read(tmp_path / "data.json", DataRecord), read(shared_run / "data.json", DataRecord)
    assert kept.trained_on == whole.trained_on
    assert not kept.parts
    rows = cli("predict", shared_run, pictures, "--json").json()
    packed = cli("predict", tmp_path / "model.safetensors", pictures, "--json").json()
    assert [row["probability"] for row in packed] == pytest.approx([row["probability"] for row in rows], abs=0.01)
