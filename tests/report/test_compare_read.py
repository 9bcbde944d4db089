"""Reading runs into a comparison: their order, and who is paired with the best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.runs import FAIR, POOR, write_small_run

from cellcls.errors import DataError, MissingInputError, UsageError
from cellcls.ops.statistics.paired import Paired
from cellcls.report import compare_tables
from cellcls.report.compare import to_data
from cellcls.report.compare_page import page
from cellcls.report.compare_read import read_comparison
from cellcls.report.page import render


def labels(comparison) -> list[str]:
    return [one.label for one in comparison.standings]


LISTED = [{"name": "remote", "part": "test", "corrupt": "competition"}]


def _corrupted(place: Path, name: str, marks: list[list[int]], **more: Any) -> Path:
    return write_small_run(place / name, {"remote": marks}, evaluate=LISTED, **more)


def test_the_best_comes_first_and_the_others_are_paired_with_it(parent: Path):
    found = read_comparison([parent])
    assert found.by == "test.accuracy"
    assert labels(found) == ["good", "fair", "poor"]
    _, fair, poor = found.standings
    assert fair.against == Paired(both=36, first=0, second=2, neither=2)
    assert (fair.p, fair.is_noise) == (0.5, True)
    assert poor.against.difference == pytest.approx((12 - 38) / 40)
    assert poor.is_noise is False
    assert poor.interval[1] < 0


def test_linked_runs_are_compared_by_the_names_of_their_links(parent: Path, tmp_path: Path):
    links = tmp_path / "links"
    links.mkdir()
    for name, run in {"first": "good", "second": "poor", "again": "good"}.items():
        (links / name).symlink_to(parent / run)
    found = read_comparison([links])
    assert labels(found) == ["good", "poor"]
    assert found.unfinished == ()
    expected = {"metric": "test.accuracy", "order": ["first", "second"]}
    runs = [{"folder": name, "recipe": name, "variant": name} for name in ("first", "second")]
    (links / "runs.json").write_text(json.dumps({"files": [{"name": "x", "runs": runs, "expect": [expected]}]}))
    assert [verdict.held for verdict in read_comparison([links]).verdicts] == [True]


def test_only_images_that_both_saw_are_paired(parent: Path):
    write_small_run(parent / "shifted", {"test": [1] * 40, "val": [1] * 40}, first=30)
    found = {one.label: one for one in read_comparison([parent]).standings}
    assert found["good"].against == Paired(both=8, first=0, second=2, neither=0)
    assert found["good"].against.n == 10


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"data": "0000"}, "a different data set"),
        ({"data": ""}, "a different data set"),
        ({"first": 100}, "no images in common"),
        ({"evaluate": [{"name": "test", "corrupt": "competition"}, {"name": "val"}]}, "corrupted differently"),
    ],
)
def test_other_images_are_not_paired(parent: Path, other: dict, why: str):
    write_small_run(parent / "other", {"test": FAIR, "val": FAIR}, **other)
    found = read_comparison([parent])
    one = next(one for one in found.standings if one.label == "other")
    assert (one.against, one.p, one.is_noise, one.interval) == (None, None, None, None)
    assert why in one.unpaired
    row = next(row for row in compare_tables.runs(found) if row["run"] == "other")
    assert row["difference"] == "not paired"
    assert any(why in note for note in compare_tables.notes(found))


def test_corrupted_copies_of_an_image_are_counted_as_one_image(tmp_path: Path):
    """Five copies of eight images, of which six are named right by one run alone: six images, not thirty."""
    _corrupted(tmp_path, "good", [[1] * 8] * 5)
    _corrupted(tmp_path, "poor", [[0] * 6 + [1] * 2] * 5)
    found = read_comparison([tmp_path], "remote.accuracy")
    poor = found.standings[1]
    assert (poor.against.n, poor.against.difference) == (8, pytest.approx(-6 / 8))
    assert poor.p == pytest.approx(2 / 2**6)
    low, high = poor.interval
    assert -1 <= low < -0.75 < high < 0
    row = compare_tables.runs(found)[1]
    assert (row["points to best"][:5], row["difference"]) == ("-75.0", "clear")
    assert any("each image once" in note for note in compare_tables.notes(found))
    shown = to_data(found)["runs"][1]["to_best"]
    assert (shown["images"], shown["only_this"], shown["only_best"]) == (8, 0, 30)


def test_corrupted_images_are_paired_by_condition_and_image(tmp_path: Path):
    good = [[1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
    _corrupted(tmp_path, "good", good)
    _corrupted(tmp_path, "shifted", [[0, 1, 1, 0], [1, 1, 0, 1]], first=3)
    _corrupted(tmp_path, "fewer", [[1, 1, 0, 0, 0, 0]] * 3)
    found = {one.label: one for one in read_comparison([tmp_path], "remote.accuracy").standings}
    # images 3, 4, 5: right under one condition more or fewer than the best
    assert found["shifted"].against.differences == (-1, 0, 0)
    assert found["shifted"].p == 1
    assert "corrupted differently" in found["fewer"].unpaired


def test_views_of_the_same_images_are_paired(parent: Path):
    listed = [{"name": "test", "views": ["flips"]}, {"name": "val"}]
    write_small_run(parent / "tta", {"test": FAIR, "val": FAIR}, evaluate=listed)
    found = {one.label: one for one in read_comparison([parent]).standings}
    assert found["tta"].against.n == 40


def test_runs_are_sorted_by_any_figure(parent: Path):
    write_small_run(parent / "split", {"test": POOR, "val": [1] * 40})
    assert labels(read_comparison([parent], "val.accuracy"))[0] == "split"
    assert compare_tables.runs(read_comparison([parent], "val.loss"))[0]["val loss"] == "0.4000"
    running = compare_tables.runs(read_comparison([parent], "train_running.accuracy"))
    assert "p" not in running[0]
    assert running[0]["train running accuracy"] == "0.8000"
    with pytest.raises(UsageError, match="none of the runs has a metric"):
        read_comparison([parent], "test.acuracy")


def test_the_lowest_loss_is_the_best(parent: Path):
    path = parent / "poor" / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["evaluations"]["val"]["loss"] = 0.1
    path.write_text(json.dumps(metrics))
    assert labels(read_comparison([parent], "val.loss"))[0] == "poor"


def test_a_figure_that_only_some_have_sorts_those_first(parent: Path):
    write_small_run(parent / "more", {"test": POOR, "val": POOR, "remote": POOR})
    found = read_comparison([parent], "remote.accuracy")
    assert labels(found)[0] == "more"
    rows = compare_tables.runs(found)
    assert rows[1]["remote* accuracy"] == rows[1]["macro F1"] == "–"
    assert any("never the challenge's hidden set" in note for note in compare_tables.notes(found))
    assert "remote* accuracy" not in compare_tables.runs(read_comparison([parent]))[0]
    render(page(found, {}))


def test_runs_of_one_name_are_told_apart(tmp_path: Path):
    paths = [write_small_run(tmp_path / one / "run", {"test": FAIR}, name="same") for one in "ab"]
    assert len(set(labels(read_comparison(paths)))) == 2
    assert len(read_comparison([paths[0], paths[0]]).standings) == 1


def test_what_is_no_run_is_told(tmp_path: Path, parent: Path):
    with pytest.raises(MissingInputError, match="no such folder"):
        read_comparison([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="not a run folder"):
        read_comparison([tmp_path / "empty"])
    (parent / "good" / "predictions" / "test.npz").write_bytes(b"no npz")
    with pytest.raises(DataError, match=r"test\.npz"):
        read_comparison([parent])
