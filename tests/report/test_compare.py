from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.runs import write_small_run

from cellcls.errors import DataError, MissingInputError, UsageError
from cellcls.ops.statistics.paired import Paired
from cellcls.report import compare_figures, compare_tables
from cellcls.report.compare import to_data
from cellcls.report.compare_page import page, write_comparison
from cellcls.report.compare_read import read_comparison
from cellcls.report.page import render

GOOD, FAIR, POOR = [1] * 38 + [0] * 2, [1] * 36 + [0] * 4, [0] * 20 + [1] * 12 + [0] * 8


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Three runs on the same forty images."""
    for name, marks in (("fair", FAIR), ("good", GOOD), ("poor", POOR)):
        write_small_run(tmp_path / "runs" / name, {"test": marks, "val": marks[::-1]})
    return tmp_path / "runs"


def labels(comparison) -> list[str]:
    return [one.label for one in comparison.standings]


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


LISTED = [{"name": "remote", "part": "test", "corrupt": "competition"}]


def _corrupted(place: Path, name: str, marks: list[list[int]], **more: Any) -> Path:
    return write_small_run(place / name, {"remote": marks}, evaluate=LISTED, **more)


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


def _claim(evaluation: str, metric: str, measured: float, *, held: bool) -> dict[str, Any]:
    band = {"claim": "0.9 +- 0.02", "measured": measured, "held": held}
    return {"place": "table 1", "evaluation": evaluation, "metric": metric, **band}


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


def test_runs_that_drew_alike_share_a_panel(parent: Path):
    assert compare_figures.drawings(read_comparison([parent])) == {}
    for name in ("offline", "generator"):
        write_small_run(parent / name, {"test": FAIR, "val": FAIR}, copies=20)
    found = compare_figures.drawings(read_comparison([parent]))
    assert list(found) == ["good, fair, poor", "generator, offline"]
    assert "draws.png" in compare_figures.draw(read_comparison([parent]))


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


def test_the_majority_class_is_that_of_the_test_part(tmp_path: Path):
    write_small_run(tmp_path / "odd", {"test": [1, 0, 1]})
    assert read_comparison([tmp_path / "odd"]).baselines == {
        "chance": {"test": 0.5},
        "majority class": {"test": pytest.approx(2 / 3)},
    }


def test_seeds_are_summed_up_and_nothing_else_is(parent: Path):
    for seed, marks in ((1, [1, 1, 1, 0]), (2, [1, 1, 0, 0])):
        write_small_run(parent / f"tiny-seed{seed}", {"test": marks, "val": marks}, name="tiny", seed=seed)
    write_small_run(parent / "elsewhere", {"test": FAIR, "val": FAIR}, name="fair", seed=2, data="0000")
    found = read_comparison([parent])
    assert {"tiny seed 1", "tiny seed 2"} < set(labels(found))
    [seeds] = found.seeds
    assert (seeds.label, seeds.runs) == ("tiny", 2)
    assert seeds.mean("test") == pytest.approx(0.625)
    assert seeds.spread("test") == pytest.approx(0.25 / 2**0.5)
    [row] = compare_tables.seeds(found)
    assert row["test accuracy, mean ± sd"] == "62.5% ± 17.7"
    assert row["val, lowest to highest"] == "50.0% to 75.0%"


def test_runs_of_one_name_are_told_apart(tmp_path: Path):
    paths = [write_small_run(tmp_path / one / "run", {"test": FAIR}, name="same") for one in "ab"]
    assert len(set(labels(read_comparison(paths)))) == 2
    assert len(read_comparison([paths[0], paths[0]]).standings) == 1


def test_unfinished_runs_are_named_and_left_out(parent: Path):
    write_small_run(parent / "stopped", {"test": GOOD, "val": GOOD}, complete=False)
    found = read_comparison([parent])
    assert found.unfinished == ("stopped",)
    assert "stopped" not in labels(found)
    assert "INCOMPLETE" in render(page(found, {}))
    with pytest.raises(UsageError, match="none of these runs is finished: stopped"):
        read_comparison([parent / "stopped"])


def test_what_is_no_run_is_told(tmp_path: Path, parent: Path):
    with pytest.raises(MissingInputError, match="no such folder"):
        read_comparison([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingInputError, match="not a run folder"):
        read_comparison([tmp_path / "empty"])
    (parent / "good" / "predictions" / "test.npz").write_bytes(b"no npz")
    with pytest.raises(DataError, match=r"test\.npz"):
        read_comparison([parent])


def test_a_rehearsal_says_so(tmp_path: Path):
    write_small_run(tmp_path / "one", {"test": FAIR}, rehearsal=True)
    html = render(page(read_comparison([tmp_path / "one"]), {}))
    assert "nothing about real cells" in html
    assert "40 rendered test images" in html


def test_the_verdict_says_what_may_be_chance(parent: Path):
    said = compare_tables.verdict(read_comparison([parent]))
    assert said.startswith("good classified 95.0% of 40 test images correctly, the best of 3 runs")
    assert said.endswith("its difference to fair may be chance.")
    assert compare_tables.verdict(read_comparison([parent / "good"])) == (
        "good classified 95.0% of 40 test images correctly."
    )


def test_everything_is_written_and_redrawn_alike(parent: Path, tmp_path: Path):
    before, after = {"basophil": 40, "monocyte": 30}, {"basophil": 25, "monocyte": 25}
    write_small_run(parent / "clean", {"test": FAIR, "val": FAIR}, counts={"before": before, "after": after})
    write_small_run(parent / "raw", {"test": GOOD, "val": GOOD}, counts={"before": before, "after": before})
    for one in ("good", "fair", "poor"):
        (parent / one / "data.json").write_text((parent / "raw" / "data.json").read_text())
    written = write_comparison(read_comparison([parent]), parent)
    names = {"comparison.html", "comparison.json"}
    names |= {f"{name}.png" for name in ("comparison", "intervals", "training", "curves", "classes")}
    files = {path.name: path.read_bytes() for path in parent.iterdir() if path.is_file()}
    assert files.keys() == names
    assert written == parent / "comparison.html"
    assert json.loads(files["comparison.json"]) == json.loads(json.dumps(to_data(read_comparison([parent]))))
    assert all(np.asarray(Image.open(parent / name)).std() > 1 for name in names if name.endswith("png"))
    page = files["comparison.html"].decode()
    assert 'src="http' not in page
    assert page.count("data:image/png") == 3
    write_comparison(read_comparison([parent]), parent)
    assert all((parent / name).read_bytes() == files[name] for name in names)


def test_a_comparison_elsewhere_is_never_overwritten(parent: Path, tmp_path: Path):
    found = read_comparison([parent / "good", parent / "fair"])
    assert found.parent is None
    write_comparison(found, tmp_path / "out")
    kept = (tmp_path / "out" / "comparison.html").read_bytes()
    with pytest.raises(UsageError, match="not overwritten"):
        write_comparison(read_comparison([parent]), tmp_path / "out")
    assert (tmp_path / "out" / "comparison.html").read_bytes() == kept


def test_names_with_markup_are_shown_not_obeyed(parent: Path):
    write_small_run(parent / "evil", {"test": FAIR, "val": FAIR}, name="<script>alert(1)</script>")
    html = render(page(read_comparison([parent]), {}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
