"""Evaluations over views and on corrupted images."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.recipes import tiny

from cellcls.engine.measure import spread, suite
from cellcls.errors import RecipeError

RECIPE = """
[[stages]]
epochs = 2
[[evaluate]]
name = "val"
[[evaluate]]
name = "test"
[[evaluate]]
name = "tta"
part = "test"
views = ["flips", "turns"]
[[evaluate]]
name = "remote"
part = "test"
corrupt = "competition"
severities = [1, 5]
seed = 3
[[evaluate]]
name = "microscope"
part = "test"
corrupt = "medmnist_c"
"""


@pytest.fixture
def finished(make_job, execute):
    job = make_job(RECIPE)
    execute(job)
    return job.folder, json.loads(job.folder.metrics.read_text())["evaluations"]


def test_views_are_averaged_and_counted(finished):
    _folder, evaluations = finished
    found = evaluations["tta"]["views"]
    assert list(found) == [
        *("as_it_is", "flip_horizontal", "flip_vertical", "turn_90", "turn_180", "turn_270"),
        "mean",
    ]
    assert found["as_it_is"]["accuracy"] == evaluations["test"]["accuracy"]
    assert found["mean"]["accuracy"] == evaluations["tta"]["accuracy"]
    for one in found.values():
        gained = one["fixed"] - one["broken"]
        assert one["accuracy"] == pytest.approx(evaluations["test"]["accuracy"] + gained / evaluations["test"]["n"])


def test_corrupted_images_are_counted_once_in_the_intervals(finished):
    folder, evaluations = finished
    remote, plain = evaluations["remote"], evaluations["test"]
    assert remote["n"] == plain["n"] == 16
    assert np.sum(remote["confusion"]) == 2 * 16
    low, high = remote["accuracy_ci"]
    assert high - low > 0.2  # 16 images say little, however often they are corrupted
    rows = np.load(folder.array("predictions", "remote"))
    assert rows["condition"].tolist() == [0] * 16 + [1] * 16
    assert remote["accuracy"] == pytest.approx((rows["probabilities"].argmax(1) == rows["label"]).mean())


def test_the_published_suite_gives_relative_errors(finished):
    _folder, evaluations = finished
    found = evaluations["microscope"]
    assert len(found["balanced_error"]) == 11
    assert all(len(errors) == 5 for errors in found["balanced_error"].values())
    assert set(found["relative_balanced_error"]) == {*found["balanced_error"], "mean"}


def test_an_unknown_suite_is_told_with_what_there_is(registry):
    with pytest.raises(RecipeError, match="no suite or corruption is called `competion`") as told:
        suite("competion", registry)
    assert "competition" in str(told.value)
    assert list(suite("jpeg", registry)) == ["jpeg"]


def test_a_part_of_the_images_keeps_the_shares_of_the_classes():
    labels = np.tile([0, 0, 0, 1], 50)  # three in four are of class 0
    indices = np.arange(20, 200)
    chosen = spread(indices, labels, 40)
    assert len(set(chosen.tolist())) == 40
    assert set(chosen) <= set(indices)
    assert np.array_equal(chosen, np.sort(chosen))
    assert np.bincount(labels[chosen]).tolist() == [30, 10]
    assert np.array_equal(spread(indices, labels, 180), indices)
    assert np.array_equal(spread(indices, labels, 500), indices)


def test_weights_are_selected_on_corrupted_images_with_the_clean_score_beside(make_job, execute):
    selecting = tiny(train={"batch_size": 16, "select": "shifted.accuracy"})
    more = """
    [[stages]]
    epochs = 2
    [[evaluate]]
    name = "shifted"
    part = "val"
    corrupt = "shifts"
    severities = [3, 5]
    images = 6
    [[evaluate]]
    name = "val"
    """
    job = make_job(more, tiny=selecting)
    execute(job)
    epochs = [json.loads(line) for line in job.folder.history.read_text().splitlines()]
    assert [{"shifted.accuracy", "val.accuracy"} <= set(epoch) for epoch in epochs] == [True, True]
    accuracy = [epoch["shifted.accuracy"] for epoch in epochs]
    ranks = [(epoch["shifted.accuracy"], -epoch["shifted.loss"]) for epoch in epochs]
    assert [epoch["best"] for epoch in epochs] == [True, ranks[1] > ranks[0]]
    measured = json.loads(job.folder.metrics.read_text())["evaluations"]
    assert measured["shifted"]["n"] == 6
    assert measured["shifted"]["accuracy"] == pytest.approx(max(accuracy))
    assert len(measured["shifted"]["balanced_error"]) == 6
    assert measured["val"]["n"] == 16
