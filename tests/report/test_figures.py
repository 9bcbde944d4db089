"""The charts of a run: what is drawn where, read back from the figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cellcls.ops.statistics.table import ClassScore
from cellcls.report import figures, style
from cellcls.runs.records import EpochRecord, EvaluationRecord


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with style.drawing():
        yield


def epoch(stage: int = 0, *, best: bool = False, drawn: Any = None, copies: Any = None, **metrics: Any) -> EpochRecord:
    named = {key.replace("_", ".", 1): value for key, value in metrics.items()}
    return EpochRecord(
        stage=stage, stage_name="ab"[stage], epoch=0, best=best, metrics=named, drawn=drawn or {}, copies=copies or {}
    )


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


# --- training ---------------------------------------------------------------------------------------------------

EPOCHS = [
    epoch(train_loss=3.0, val_loss=2.5, val_accuracy=0.5),
    epoch(train_loss=2.0, val_loss=None, best=True, val_accuracy=0.75),
    epoch(1, train_loss=1.0, val_loss=2.0, val_accuracy=0.625),
]


def test_a_curve_goes_through_the_figures_of_its_epochs() -> None:
    loss, accuracy = figures.curves(EPOCHS).axes
    lines = {line.get_label(): line for line in loss.lines if not line.get_label().startswith("_")}
    assert list(lines) == ["train", "val"]
    assert lines["train"].get_xdata().tolist() == [1, 2, 3]
    assert lines["train"].get_ydata().tolist() == [3.0, 2.0, 1.0]
    assert np.array_equal(lines["val"].get_ydata(), [2.5, np.nan, 2.0], equal_nan=True)
    assert [line.get_label() for line in accuracy.lines if len(line.get_xdata()) == 3] == ["val"]
    assert accuracy.yaxis.get_major_formatter()(0.625, 0) == "62.5%"


def test_a_ring_marks_the_last_best_epoch() -> None:
    _, accuracy = figures.curves(EPOCHS).axes
    (ring,) = [line for line in accuracy.lines if line.get_markerfacecolor() == "none"]
    assert (ring.get_xdata(), ring.get_ydata()) == ([2], [0.75])


def test_stages_are_parted_and_named() -> None:
    loss, _ = figures.curves(EPOCHS).axes
    assert texts(loss) == ["a", "b"]
    assert [text.get_position()[0] for text in loss.texts] == [1.5, 3.0]  # the middle of epochs 1 and 2, and of 3
    assert [line.get_xdata()[0] for line in loss.lines if line.get_linestyle() == "--"] == [2.5]
    assert texts(figures.curves(EPOCHS[:2]).axes[0]) == [], "one stage needs no name"


def test_samples_of_classes_are_stacked_copies_above() -> None:
    epochs = [epoch(drawn={"x": 5, "y": 4}, copies={"x": 2}), epoch(drawn={"x": 6, "y": 4}, copies={"x": 3})]
    assert figures.expanded(epochs)
    assert not figures.expanded([epoch(drawn={"x": 5})])
    _, axes = style.new_figure(3)
    figures.stack_draws(axes, epochs, ["x", "y"])
    tops = [patch.get_data().values.tolist() for patch in axes.patches]
    assert tops == [[3, 3], [5, 6], [9, 10], [9, 10]]
    assert axes.get_legend_handles_labels()[1] == ["x", "y"], "copies have no entry of their own"


# --- results ----------------------------------------------------------------------------------------------------


def test_a_cell_holds_its_count_and_its_share_of_the_row() -> None:
    axes = figures.confusion([[3, 1], [0, 0]], ["a_b", "c"], "All").axes[0]
    assert texts(axes) == ["3", "75.0%", "1", "25.0%"]
    shade = axes.images[0].get_array()
    assert shade.tolist() == [[pytest.approx(0.75**0.5), 0.5], [0, 0]], "a class without images is no division by zero"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a b", "c"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("given", "predicted")


def test_a_matrix_of_many_classes_has_no_numbers() -> None:
    few, many = figures.MOST_NUMBERED, figures.MOST_NUMBERED + 1
    assert len(texts(figures.confusion(np.eye(few, dtype=int), ["c"] * few, "").axes[0])) == 2 * few
    assert texts(figures.confusion(np.eye(many, dtype=int), ["c"] * many, "").axes[0]) == []


def test_recalls_are_drawn_with_their_intervals_and_their_mean() -> None:
    def score(recall: float | None, ends: tuple[float, float] | None = None) -> ClassScore:
        return ClassScore(precision=None, recall=recall, f1=None, support=8, recall_ci=ends)

    scores = {"a": score(0.75, (0.4, 0.9)), "b": score(None), "c": score(0.25)}
    axes = figures.per_class(scores, ["a", "b", "c", "unseen"], "").axes[0]
    bars = [tuple(line.get_xdata()) for line in axes.lines if line.get_linewidth() == 5]
    assert bars == [(0.4, 0.9), (0.25, 0.25)]
    (mean,) = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() != "-" and len(line.get_xdata()) == 2]
    assert mean == pytest.approx(0.5)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a  (n = 8)", "b  (n = 8)", "c  (n = 8)"]
    assert axes.get_xlim()[0] == pytest.approx(0.23)


def test_probabilities_and_accuracies_are_drawn_for_each_evaluation() -> None:
    shown = EvaluationRecord(
        part="test",
        n=4,
        classes=("a",),
        values={"accuracy": 0.5},
        confusion=((4,),),
        reliability=((0.9, 1.0), (0.6, 0.0)),
        risk_coverage=((0.5, 0.0), (1.0, 0.5)),
    )
    above, below = figures.sureness({"test": shown, "remote": shown}).axes
    assert [line.get_xydata().tolist() for line in above.lines] == [[[0, 0], [1, 1]], *2 * [[[0.9, 1.0], [0.6, 0.0]]]]
    assert [line.get_label() for line in above.lines[1:]] == ["test", "remote*"]
    assert [line.get_xydata().tolist() for line in below.lines] == 2 * [[[0.5, 0.0], [1.0, 0.5]]]


# --- data -------------------------------------------------------------------------------------------------------


def test_parts_and_what_was_dropped_fill_a_class() -> None:
    counts = {
        "before": {"a": 1000, "b": 4},
        "after": {"a": 990, "b": 4},
        "train": {"a": 800, "b": 2},
        "val": {"a": 190, "b": 2},
    }
    axes = figures.class_counts(counts, ["a", "b"]).axes[0]
    bars = {
        container.get_label(): [(bar.get_x(), bar.get_width()) for bar in container] for container in axes.containers
    }
    assert bars == {
        "train": [(0, 800), (0, 2)],
        "val": [(800, 190), (2, 2)],
        "dropped": [(990, 10), (4, 0)],
    }
    assert texts(axes) == [" 990 of 1,000", " 4"]
