"""A metric is one entry of a table: measured, written, shown, compared, selected by and claimed like the others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cellcls.engine.export.card import model_card
from cellcls.engine.export.subject import Subject
from cellcls.engine.network import load_network
from cellcls.ops.statistics.table import METRICS, Metric, Predicted
from cellcls.registry import load_registry
from cellcls.report.read import read_run
from cellcls.runs.records import EpochRecord, read_lines


def brier(predicted: Predicted) -> float:
    """Mean squared distance of the probabilities to the true class (Brier 1950): 0 is best, 2 is worst."""
    true = np.eye(predicted.probabilities.shape[1])[predicted.label]
    return float(((predicted.probabilities - true) ** 2).sum(1).mean())


@pytest.fixture
def with_brier(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Metric(title="Brier score", of_predictions=brier, unit="", lower_is_better=True)
    monkeypatch.setitem(METRICS, "brier_score", entry)


CLAIM = """
[claim]
place = "Table 9"
val.brier_score = { above = 0.0 }
"""


@pytest.mark.usefixtures("with_brier")
def test_a_new_metric_is_everywhere(cli, place: Path):
    registry = load_registry()
    recipe = (
        (place / "tiny.toml")
        .read_text()
        .replace("epochs = 1", "epochs = 4")
        .replace("batch_size = 16", 'batch_size = 16\nselect = "val.brier_score"')
    )
    (place / "new.toml").write_text(recipe + CLAIM)
    for seed in (1, 2):
        said = cli("run", "new.toml", "--set", f"seed={seed}", "--out", f"out{seed}")
        assert said.code == 0, said.err
    assert "Brier score" in said.out

    run = place / "out2"
    measured = json.loads((run / "metrics.json").read_text())
    value = measured["evaluations"]["test"]["brier_score"]
    kept = np.load(run / "predictions" / "test.npz")
    true = np.eye(8)[kept["label"]]
    assert value == pytest.approx(((kept["probabilities"] - true) ** 2).sum(1).mean(), rel=1e-5)
    assert measured["claims"][0]["held"] is True
    assert measured["claims"][0]["metric"] == "brier_score"

    history = read_lines(run / "history.jsonl", EpochRecord)
    values = [epoch.metrics["val.brier_score"] for epoch in history]
    best = [number for number, epoch in enumerate(history) if epoch.best]
    lowest = [at for at, score in enumerate(values) if score < min(values[:at], default=np.inf)]
    assert best == lowest

    assert read_run(run).metrics.evaluations["test"].brier_score == value
    page = (run / "report.html").read_text()
    assert "Brier score" in page
    assert f"{value:.4f}" in page, "a decimal, not percent"

    compared = cli("compare", "out1", "out2", "--by", "test.brier_score", "--json").json()
    scores = [one["value"] for one in compared["runs"]]
    assert scores == sorted(scores), "the lowest first"
    assert all("brier_score" in one["evaluations"]["test"] for one in compared["runs"])

    card = model_card(Subject(run=run, trained=load_network(run, registry), registry=registry), architecture="cnn5")
    assert "| Brier score |" in card
    assert f"| {value:.4f} |" in card


def test_an_unknown_metric_is_refused(cli, place: Path):
    said = cli("check", "tiny.toml", "--set", "train.select=val.brier_score")
    assert said.code == 78
    assert "val.accuracy" in said.err
