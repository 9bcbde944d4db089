"""Which figures a run gets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.seen import page_of

from cellcls.report.draw import (
    EXAMPLES_PER_PAIR,
    LARGEST_BATCH,
    augmented_groups,
    batch_groups,
    confused_groups,
    draw,
    file_name,
)
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


def test_examples_stand_under_their_pair_of_classes_and_the_rest_below(run: Path) -> None:
    record = read_run(run)
    shown, examples = record.metrics.evaluations["test"], record.examples["test"]
    confusion = np.array(shown.confusion)
    np.fill_diagonal(confusion, 0)
    groups = confused_groups(record, "test", shown)
    assert groups[0].share == 1.0
    given, said = np.unravel_index(confusion.argmax(), confusion.shape)
    plain = [name.replace("_", " ") for name in shown.classes]
    assert f"{confusion.max()} of {np.sum(shown.confusion[given])}" in groups[0].title
    assert confusion[given, said] == confusion.max()
    assert any(name in groups[0].title for name in plain)
    of_pairs = sum(len(group.tiles) for group in groups[:-1])
    assert groups[-1].title == "Other mistakes"
    assert of_pairs + len(groups[-1].tiles) <= len(examples.images)
    assert all(len(group.tiles) <= EXAMPLES_PER_PAIR for group in groups)


def test_no_more_of_a_batch_is_shown_than_fits(run: Path) -> None:
    record = read_run(run)
    (group,) = batch_groups(record)
    assert len(record.train_batch) == 32
    assert len(group.tiles) == LARGEST_BATCH


def test_what_is_not_there_is_not_drawn(run: Path) -> None:
    (run / "train_batch.npz").unlink()
    (run / "augmented.npz").unlink()
    record = read_run(run)
    assert (batch_groups(record), augmented_groups(record)) == ([], [])
