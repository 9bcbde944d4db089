"""Cross-validation: all folds together. Expected figures by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.runs import write_small_run

from cellcls.report import folds
from cellcls.report.compare_page import write_comparison
from cellcls.report.compare_read import read_comparison

MARKS = {1: [1, 1, 1, 0], 2: [1, 1, 0, 0], 3: [1, 1, 1, 1]}


def write_folds(parent: Path, of: int = 3, name: str = "cv", seed: int = 42) -> None:
    for fold, marks in MARKS.items():
        run = write_small_run(
            parent / f"{name}-seed{seed}-fold{fold}", {"test": marks}, name=name, seed=seed, first=4 * fold
        )
        recipe = run / "recipe.toml"
        recipe.write_text(f"{recipe.read_text()}\n[split]\nfolds = {of}\nfold = {fold}\n")


def test_all_folds_together_have_intervals_over_images_and_over_folds(tmp_path: Path) -> None:
    write_folds(tmp_path)
    comparison = read_comparison([tmp_path])
    [found] = folds.cross_validations(comparison)
    assert (found.label, found.tested, found.by_fold) == ("cv", 12, (0.75, 0.5, 1.0))
    assert found.accuracy == pytest.approx(9 / 12)
    assert found.interval == pytest.approx((0.4677, 0.9111), abs=1e-4)  # Wilson, of 9 of 12
    assert found.interval_over_folds == pytest.approx((0.75 - 4.303 * 0.25 / 3**0.5, 1.0))
    [seeds] = comparison.seeds
    assert (seeds.runs, seeds.mean("test")) == (3, pytest.approx(0.75))


def test_each_image_is_in_the_table_of_predictions_once(tmp_path: Path) -> None:
    write_folds(tmp_path)
    page = write_comparison(read_comparison([tmp_path]), tmp_path)
    assert folds.FILE in page.read_text()
    lines = (tmp_path / folds.FILE).read_text().splitlines()
    assert lines[0] == "recipe,index,file,fold,label,predicted,probability"
    assert [line.split(",")[1] for line in lines[1:]] == [str(index) for index in range(4, 16)]
    assert lines[4].split(",")[3:] == ["1", "monocyte", "basophil", "1.0000"]
    assert json.loads((tmp_path / "comparison.json").read_text())["seeds"]


def test_folds_that_are_not_all_there_are_no_cross_validation_and_seeds_are_apart(tmp_path: Path) -> None:
    write_folds(tmp_path, of=4, name="half")
    write_folds(tmp_path, seed=1)
    write_folds(tmp_path, seed=2)
    found = folds.cross_validations(read_comparison([tmp_path]))
    assert sorted(folded.label for folded in found) == ["cv seed 1", "cv seed 2"]


@pytest.mark.parametrize(("freedom", "quantile"), [(4, 2.776), (10, 2.228), (19, 2.093)])
def test_students_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert folds._t95(freedom) == pytest.approx(quantile, abs=4e-3)
