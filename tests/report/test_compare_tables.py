"""A comparison's rows, as the terminal, the page and the figure show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.runs import FAIR, write_small_run

from cellcls.report import compare_tables
from cellcls.report.compare_page import page
from cellcls.report.compare_read import read_comparison
from cellcls.report.page import render


def _claim(evaluation: str, metric: str, measured: float, *, held: bool) -> dict[str, Any]:
    band = {"claim": "0.9 +- 0.02", "measured": measured, "held": held}
    return {"place": "table 1", "evaluation": evaluation, "metric": metric, **band}


def test_rows_say_what_was_measured_and_end_with_the_baselines(parent: Path):
    rows = compare_tables.runs(read_comparison([parent]))
    assert [row["run"] for row in rows] == ["good", "fair", "poor", "chance", "majority class"]
    assert rows[0]["test accuracy"].startswith("95.0% [")
    assert [row["difference"] for row in rows] == ["best", "noise", "clear", "–", "–"]
    assert rows[1]["points to best"].startswith("-5.0 [")
    assert rows[2]["p"] == "<0.001"
    assert rows[3]["val accuracy"] == "50.0%"
    assert rows[0]["training"] == "4.5 s"
    assert all(row.keys() == rows[0].keys() for row in rows)


def test_training_figures_stand_beside_what_was_claimed(parent: Path):
    claims = [_claim("val", "loss", 0.4, held=False), _claim("test", "accuracy", 0.9, held=True)]
    claims.append(_claim("train_running", "accuracy", 0.8, held=False))
    write_small_run(parent / "lion", {"test": FAIR, "val": FAIR}, claims=claims)
    rows = {row["run"]: row for row in compare_tables.training(read_comparison([parent]))}
    assert rows["lion"] == {
        "run": "lion",
        "train running loss": "0.3000",
        "train running accuracy": "0.8000 ✗",
        "train running accuracy, claimed": "0.9 ± 0.02",
        "val loss": "0.4000 ✗",
        "val loss, claimed": "0.9 ± 0.02",
        "val accuracy": "0.9000",
        "test accuracy": "0.9000 ✓",
        "test accuracy, claimed": "0.9 ± 0.02",
    }
    assert (rows["good"]["val loss"], rows["good"]["val loss, claimed"]) == ("0.4000", "–")
    assert list(rows) == ["good", "fair", "lion", "poor"]
    html = render(page(read_comparison([parent]), {}))
    assert '<span class="pill bad">0.4000 ✗</span>' in html


def test_a_rehearsal_has_no_marks(tmp_path: Path):
    write_small_run(tmp_path / "one", {"val": FAIR}, rehearsal=True, claims=[_claim("val", "loss", 0.4, held=False)])
    assert compare_tables.training(read_comparison([tmp_path / "one"]))[0]["val loss"] == "0.4000"


def test_the_verdict_says_what_may_be_chance(parent: Path):
    said = compare_tables.verdict(read_comparison([parent]))
    assert said.startswith("good classified 95.0% of 40 test images correctly, the best of 3 runs")
    assert said.endswith("its difference to fair may be chance.")
    assert compare_tables.verdict(read_comparison([parent / "good"])) == (
        "good classified 95.0% of 40 test images correctly."
    )


def test_runs_of_one_recipe_show_their_mean_and_their_ends(parent: Path) -> None:
    for seed, right in ((1, 30), (2, 34)):
        marks = [1] * right + [0] * (40 - right)
        write_small_run(parent / f"twice-{seed}", {"test": marks, "val": marks}, name="twice", seed=seed)
    (row,) = compare_tables.seeds(read_comparison([parent]))
    assert (row["recipe"], row["runs"]) == ("twice", "2")
    assert row["test accuracy, mean ± sd"] == "80.0% ± 7.1"  # of 75% and 85%: half of 10 points times the root of 2
    assert row["test, lowest to highest"] == "75.0% to 85.0%"


def test_notes_say_how_differences_were_judged(parent: Path) -> None:
    several = " ".join(compare_tables.notes(read_comparison([parent])))
    assert "McNemar's exact test" in several
    assert "noise: p is 0.05 or more" in several
    assert "McNemar" not in " ".join(compare_tables.notes(read_comparison([parent / "good"])))


def test_the_verdict_counts_the_many_that_may_be_as_good(parent: Path) -> None:
    for number in range(3):
        write_small_run(parent / f"near{number}", {"test": FAIR, "val": FAIR})
    said = compare_tables.verdict(read_comparison([parent]))
    assert said.endswith("its difference to 4 of the others may be chance.")


def test_by_a_loss_the_verdict_names_the_figure(parent: Path) -> None:
    said = compare_tables.verdict(read_comparison([parent], "train_running.loss"))
    assert said == "fair is the best of 3 runs by train_running.loss: 0.3000."
