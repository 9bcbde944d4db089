"""Runs side by side: seeds, baselines, and what is written of them as data."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import FAIR, write_small_run

from cellcls.report import compare_tables
from cellcls.report.compare_read import read_comparison


def labels(comparison) -> list[str]:
    return [one.label for one in comparison.standings]


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
