"""The figures of a comparison: what is drawn where."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from support.runs import FAIR, GOOD, write_small_run

from cellcls.report import compare_figures, compare_tables, style
from cellcls.report.compare_read import read_comparison


def test_runs_that_drew_alike_share_a_panel(parent: Path):
    assert compare_figures.drawings(read_comparison([parent])) == {}
    for name in ("offline", "generator"):
        write_small_run(parent / name, {"test": FAIR, "val": FAIR}, copies=20)
    found = compare_figures.drawings(read_comparison([parent]))
    assert list(found) == ["good, fair, poor", "generator, offline"]
    assert "draws.png" in compare_figures.draw(read_comparison([parent]))


def test_each_figure_is_there_where_the_runs_allow_it(parent: Path) -> None:
    found = compare_figures.draw(read_comparison([parent]))
    assert list(found) == ["comparison.png", "intervals.png", "training.png", "curves.png"]
    assert found == compare_figures.draw(read_comparison([parent])), "the same runs give the same bytes"


def test_runs_are_drawn_at_their_accuracy_with_their_interval(parent: Path) -> None:
    comparison = read_comparison([parent])
    with style.drawing():
        axes = compare_figures.intervals(comparison).axes[0]
    bars = [line for line in axes.lines if line.get_linewidth() == 5]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
    assert dots == [(38 / 40, 0), (36 / 40, 1), (12 / 40, 2)]
    assert [to_hex(bar.get_color()) for bar in bars] == [style.TRAIN.lower(), style.TRAIN.lower(), style.DROPPED]
    for bar, one in zip(bars, comparison.standings, strict=True):
        assert tuple(bar.get_xdata()) == one.record.metrics.evaluations["test"].intervals["accuracy"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["good", "fair", "poor"]


def test_the_table_stands_beside_the_plot_row_by_row(parent: Path) -> None:
    comparison = read_comparison([parent])
    rows = compare_tables.runs(comparison)
    with style.drawing():
        axes = compare_figures.standings(comparison).axes[0]
    shown = {(text.get_text(), round(text.get_position()[1], 2)) for text in axes.texts}
    for number, row in enumerate(rows):
        assert (row["test accuracy"], number) in shown
        assert (row["difference"], number) in shown
    assert "macro F1" not in {text for text, _ in shown}, "there is no room for it"


def test_a_curve_is_that_of_its_run(parent: Path) -> None:
    write_small_run(parent / "late", {"test": GOOD, "val": GOOD}, select=0.7)
    comparison = read_comparison([parent])
    with style.drawing():
        figure = compare_figures.curves(comparison.standings)
    accuracy = figure.axes[0]
    lines = {line.get_label(): list(line.get_ydata()) for line in accuracy.lines}
    assert lines["late"] == pytest.approx([0.6, 0.7, 0.5])
    assert lines["fair"] == pytest.approx([0.4, 0.5, 0.3])
    assert [axes.get_ylabel() for axes in figure.axes] == ["val accuracy", "val loss", "train loss, running"]
    assert len(figure.legends[0].get_texts()) == 4, "each run once"


def test_ways_of_cleaning_share_one_set_before(parent: Path) -> None:
    before = {"basophil": 40, "monocyte": 30}
    few = {"basophil": 20, "monocyte": 30}
    for name, after in (("raw", before), ("some", few), ("same", few)):
        counts = {"before": before, "after": after}
        write_small_run(parent / name, {"test": FAIR, "val": FAIR}, counts=counts, data="0001")
    found = compare_figures.cleanings(read_comparison([parent / "raw", parent / "some", parent / "same"]))
    assert list(found.values()) == [before, {"basophil": 20, "monocyte": 30}]
    with style.drawing():
        axes = compare_figures.classes(found, list(before)).axes[0]
    assert [[bar.get_width() for bar in bars] for bars in axes.containers] == [[40, 30], [20, 30]]
    assert compare_figures.cleanings(read_comparison([parent])) == {}, "of other data there is no one set before"
