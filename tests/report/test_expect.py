from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.runs import write_small_run

from cellcls.recipe import Expect
from cellcls.report import expect, write
from cellcls.report.expect import check_expectations, holds
from cellcls.report.read import read_run
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun, write_plan

FIGURES = {"best": 9, "middle": 7, "worst": 4}


def order(*entries: str, **more) -> Expect:
    return Expect(metric=more.pop("metric", "test.accuracy"), order=entries, **more)


@pytest.fixture
def judged(tmp_path: Path):
    """Judge expectations of a file with three variants, that named 9, 7 and 4 of 10 test images right."""
    for name, right in FIGURES.items():
        marks = [1] * right + [0] * (10 - right)
        write_small_run(tmp_path / name, {"test": marks, "val": [1] * 5 + [0] * 5}, select=1 - right / 10)

    def call(*expected: Expect, missing: str = "", more: tuple[PlannedFile, ...] = ()):
        planned = tuple(PlannedRun(folder=name, recipe=f"file-{name}", variant=name) for name in FIGURES)
        plan = Plan(files=(PlannedFile(name="file", runs=planned, expect=expected), *more))
        paths = [path for path in tmp_path.iterdir() if path.name != missing]
        return check_expectations(plan, {path.name: read_run(path) for path in paths})

    return call


@pytest.mark.parametrize(
    ("expected", "held"),
    [
        (order("best", "middle", "worst"), True),
        (order("middle", "best"), False),
        (order("middle", "best", slack=0.2), True),
        (order("middle", "best", slack=0.19), False),
        (order("best", "worst", "middle"), False),
        (Expect(metric="test.accuracy", among=("best", "middle"), within=0.2), True),
        (Expect(metric="test.accuracy", among=("best", "middle", "worst"), within=0.4), False),
        (Expect(metric="test.accuracy", difference=("best", "worst"), value=0.4, tolerance=0.1), True),
        (Expect(metric="test.accuracy", difference=("worst", "best"), value=0.5, tolerance=0.1), False),
        (order("best", "worst", metric="train_running.accuracy"), True),
    ],
    ids=str,
)
def test_an_expectation_holds_or_not(judged, expected, held):
    [verdict] = judged(expected)
    assert verdict.held is held
    assert verdict.reason == ""
    [row] = expect.rows([verdict])
    assert row["verdict"] == ("held" if held else "not held")
    assert row["expected"] == str(expected)


def test_the_numbers_stand_beside_it(judged):
    assert judged(order("best", "worst"))[0].measured == "best 0.9000, worst 0.4000"
    [apart] = judged(Expect(metric="test.accuracy", among=("best", "middle"), within=0.1))
    assert apart.measured.endswith("; 0.2000 apart")
    [gap] = judged(Expect(metric="test.accuracy", difference=("worst", "best"), value=0, tolerance=1))
    assert gap.measured.endswith("; difference -0.5000")


def test_a_glob_is_its_best_by_what_selects_the_weights_not_by_the_metric(judged):
    [verdict] = judged(order("middle", "*t"))  # `worst` is the best of `best` and `worst` on the validation part
    assert verdict.measured == "middle 0.7000, *t (worst) 0.4000"
    assert verdict.held


def test_a_missing_run_is_not_judged_but_what_is_there_is_told(judged):
    by_name, by_glob = judged(order("best", "middle"), order("best", "mid*"), missing="middle")
    for verdict in (by_name, by_glob):
        assert verdict.held is None
        assert "no finished run of mid" in verdict.reason
        assert verdict.measured == "best 0.9000"
    assert expect.rows([by_name])[0]["verdict"] == "not checked"
    assert expect.summary([by_name]) == "No expectation was checked."


def test_a_figure_that_was_not_measured_is_not_judged(judged):
    [verdict] = judged(order("best", "worst", metric="remote.accuracy"))
    assert (verdict.held, verdict.reason) == (None, "best has no remote.accuracy; worst has no remote.accuracy")


def test_a_rehearsal_is_not_judged(judged, tmp_path: Path):
    write_small_run(tmp_path / "again", {"test": [1, 1]}, rehearsal=True)
    [verdict] = judged(order("again", "best"), more=(_other("again"),))
    assert verdict.held is None
    assert "rehearsal" in verdict.reason
    assert verdict.measured == "again 1.0000, best 0.9000"


def _other(name: str) -> PlannedFile:
    return PlannedFile(name=name, runs=(PlannedRun(folder=name, recipe=name),))


def test_an_entry_may_be_a_recipe_of_the_same_call(judged, tmp_path: Path):
    write_small_run(tmp_path / "other", {"test": [1, 1, 1, 0]})
    [verdict] = judged(order("best", "other", "middle"), more=(_other("other"),))
    assert verdict.held
    assert verdict.file == "file"
    [unknown] = judged(order("best", "other"))
    assert unknown.held is None


def test_seeds_count_with_their_mean(tmp_path: Path):
    for name, marks in (("a1", [1, 1]), ("a2", [0, 0]), ("b1", [1, 0])):
        write_small_run(tmp_path / name, {"test": marks})
    runs = tuple(PlannedRun(folder=name, recipe=f"f-{name[0]}", variant=name[0]) for name in ("a1", "a2", "b1"))
    expected = Expect(metric="test.accuracy", difference=("a", "b"), value=0, tolerance=0.001)
    plan = Plan(files=(PlannedFile(name="f", runs=runs, expect=(expected,)),))
    records = {path.name: read_run(path) for path in tmp_path.iterdir()}
    [verdict] = check_expectations(plan, records)
    assert verdict.held
    del records["a2"]
    assert check_expectations(plan, records)[0].held is None


def test_evaluations_of_one_run_are_judged_for_each_run(judged):
    verdicts = judged(Expect(metric="accuracy", among=("test", "val"), within=0.25))
    assert {one.run: one.held for one in verdicts} == {"best": False, "middle": True, "worst": True}
    assert [row["run"] for row in expect.rows(verdicts)] == list(FIGURES)
    assert expect.summary(verdicts) == "2 of 3 expectations held."


def test_a_single_run_shows_them_in_its_report(tmp_path: Path):
    run = write_small_run(tmp_path / "tta", {"test": [1, 1, 1, 0], "tta": [1, 1, 1, 0]})
    expected = Expect(metric="accuracy", among=("test", "tta"), within=0.01)
    planned = PlannedFile(name="tta", runs=(PlannedRun(folder=".", recipe="tta"),), expect=(expected,))
    assert "expectations held" not in write(run).read_text()
    write_plan(run, Plan(files=(planned,)))
    assert "1 of 1 expectations held" in write(run).read_text()


figures = st.lists(st.floats(0, 1), min_size=2, max_size=6)


@given(figures)
def test_an_order_holds_for_sorted_figures_and_turns_for_a_loss(values):
    names = tuple("abcdef"[: len(values)])
    falling = sorted(values, reverse=True)
    assert holds(order(*names), falling)
    assert holds(order(*names, metric="test.loss"), falling[::-1])
    if falling[0] - falling[-1] > 1e-6:
        assert not holds(order("a", "b"), [falling[-1], falling[0]])
        assert not holds(order("a", "b", metric="val.loss"), [falling[0], falling[-1]])
    assert holds(order(*names, slack=1), values)
