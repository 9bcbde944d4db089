"""Which figures a run gets."""

from __future__ import annotations

import json

import pytest
from support.seen import page_of

from cellcls.report.draw import augmented_groups, batch_groups, draw, file_name
from cellcls.report.read import read_run


def test_originals_stand_before_their_copies(run):
    first, *_ = augmented_groups(read_run(run))
    assert first.title == "basophil"
    assert [tile.lines for tile in first.tiles[:3]] == [("original",), ("copy 1, epoch 1",), ("copy 1, epoch 2",)]
    assert "originals unchanged beside their copies" in page_of(run).text
    [batch] = batch_groups(read_run(run))
    assert [tile.lines[1] for tile in batch.tiles[:2]] == ["original", "copy 1"]


def test_a_run_without_copies_has_no_figure_of_draws(run):
    path = run / "history.jsonl"
    lines = [{**json.loads(line), "copies": {}} for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert "draws.png" not in draw(read_run(run))


def test_a_comparison_without_its_maps_is_still_shown(run):
    (run / "explain" / "depth.npz").unlink()
    record = read_run(run)
    assert (set(record.depths), record.map_pairs) == ({"depth"}, {})
    assert "depth" not in record.explained


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "nul\0", "été"])
def test_a_figure_stays_in_its_folder(name):
    made = file_name("confusion", name)
    assert made.startswith("confusion_")
    assert not set(made) & set("/\\\0")


@pytest.mark.parametrize("matrix", [[[3, 0], [0, 5]], [[0, 0], [0, 5]], [[0, 4], [0, 0]]])
def test_a_matrix_without_mistakes_or_images_is_drawn(change, matrix):
    shown = {"part": "test", "n": 8, "classes": ["a", "b"], "accuracy": 1.0, "confusion": matrix}
    shown["per_class"] = {"b": {"recall": None, "support": 0}}
    run = change(evaluations={"test": shown})
    (run / "examples" / "test.npz").unlink()
    assert ("No mistakes on test" in page_of(run).text) == (matrix[0][1] == 0)
    assert {"confusion_test.png", "per_class.png"} <= set(draw(read_run(run)))


def test_history_with_gaps_is_drawn(run):
    lines = [
        '{"stage": 0, "stage_name": "all", "epoch": 0, "train.loss": null}\n',
        '{"stage": 0, "stage_name": "all", "epoch": 1}\n',
    ]
    (run / "history.jsonl").write_text("".join(lines))
    assert "curves.png" in draw(read_run(run))
