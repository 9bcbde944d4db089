import pytest

from cellcls.report import tables
from cellcls.report.read import read_run
from cellcls.runs.records import EvaluationRecord


def test_the_summary_writes_figures_with_their_intervals(run):
    rows = {row["evaluation"]: row for row in tables.summary(read_run(run))}
    assert list(rows) == ["val", "test", "remote*"]
    shown = read_run(run).metrics.evaluations["test"]
    low, high = shown.intervals["accuracy"]
    assert rows["test"]["accuracy"] == f"{100 * shown.accuracy:.1f}% [{100 * low:.1f}, {100 * high:.1f}]"
    assert rows["test"]["time per image"] == "0.43 ms"


def test_claims_stand_beside_what_was_measured(run):
    first, second = tables.claims(read_run(run))
    assert (first["claimed"], first["measured"], first["verdict"]) == ("0.9739 ± 0.01", "0.9702", "held")
    assert (second["metric"], second["verdict"]) == ("remote*, macro f1", "not held")


def test_a_rehearsal_judges_no_claim(change):
    rows = tables.claims(read_run(change(rehearsal=True)))
    assert {row["verdict"] for row in rows} == {"not checked"}


def test_confusions_are_ordered_by_number(run):
    matrix = ((5, 1, 0), (3, 5, 0), (0, 0, 0))
    shown = EvaluationRecord(part="test", n=14, classes=("a_b", "c", "d"), values={"accuracy": 0.7}, confusion=matrix)
    first, second = tables.confusions(shown)
    assert first.sentence(shown.classes) == "c predicted as a b: 3 of 8 (37.5%)"
    assert (second.given, second.predicted, second.share) == (0, 1, pytest.approx(1 / 6))


def test_dropped_images_are_counted_by_rule(run):
    data = read_run(run).data
    rows = tables.dropped(data)
    assert [(row["rule"], row["images"]) for row in rows] == [
        ("drop outliers", "1,592"),
        ("drop duplicates", "8"),
        ("unreadable image", "1"),
    ]
    assert sum(row["rule"] == "drop outliers" for row in tables.reasons(data, per_rule=3)) == 3
    assert tables.reasons(data)[-1]["file"] == "smear_0071.jpg"


def test_the_environment_is_flat(run):
    rows = {row["what"]: row["value"] for row in tables.environment(read_run(run))}
    assert rows["plugins.builtin"] == "0.1.0"


def test_every_epoch_has_every_figure(run):
    rows = tables.history(read_run(run).history)
    assert len(rows) == 14
    assert (rows[4]["stage"], rows[4]["epoch"], rows[4]["val accuracy"]) == ("head", "5", "80.1%")
    assert [row["best"] for row in rows] == ["best"] * 12 + [""] * 2
