"""A search: which trials it makes, what its journal says, and how it goes on."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from cellcls.errors import DataError, ExitCode, InterruptedRunError, StoppedError
from cellcls.execution.sweep import is_sweep, new_sweep, stopped_sweep

GRID = """
[sweep]
use = "grid"
metric = "val.accuracy"
trials = 4
space = { "head.dropout" = { values = [0.1, 0.2, 0.3] } }
"""


@pytest.fixture
def search(place: Path, loaded, context):
    return lambda: new_sweep(loaded(GRID)[0], place / "out", context)


def journal(place: Path) -> list[dict]:
    return [json.loads(line) for line in (place / "out" / "sweep.jsonl").read_text().splitlines()]


def test_every_combination_is_a_trial_and_the_best_is_told(place: Path, search, made, said) -> None:
    made.right = {"trial-000": 4, "trial-001": 8, "trial-002": 6}
    results = search().execute()
    assert made.runs == ["trial-000", "trial-001", "trial-002"]
    assert [result.exit_code for result in results] == [0, 0, 0]
    assert [(line["settings"], line["value"]) for line in journal(place)] == [
        ({"head.dropout": 0.1}, 0.4),
        ({"head.dropout": 0.2}, 0.8),
        ({"head.dropout": 0.3}, 0.6),
    ]
    best = json.loads((place / "out" / "best.json").read_text())
    assert best == {"trial": "trial-001", "val.accuracy": 0.8, "settings": {"head.dropout": 0.2}}
    assert "cellcls: only 3 combinations exist: 3 trials, not 4" in said
    assert said[-1] == "best of 3 trials: trial-001, val.accuracy 0.8000"
    assert "dropout = 0.2" in (place / "out" / "trial-001" / "recipe.toml").read_text()


def test_a_trial_that_fails_has_a_code_and_no_value(place: Path, search, made) -> None:
    made.fails = {"trial-001": StoppedError("the loss became nan")}
    results = search().execute()
    assert [result.exit_code for result in results] == [0, StoppedError("").exit_code, 0]
    assert [line["value"] for line in journal(place)] == [0.5, None, 0.5]


def test_where_every_trial_fails_there_is_no_best(place: Path, search, made) -> None:
    made.fails = {f"trial-00{number}": StoppedError("nan") for number in range(3)}
    with pytest.raises(DataError, match="every trial failed"):
        search().execute()
    assert not (place / "out" / "best.json").exists()


def test_a_stopped_search_goes_on_with_the_trial_it_was_in(place: Path, search, made, context) -> None:
    made.fails = {"trial-001": InterruptedRunError("stopped", code=ExitCode.INTERRUPTED)}
    with pytest.raises(InterruptedRunError) as stopped:
        search().execute()
    assert stopped.value.hints == (f"to resume: cellcls run --resume {place}/out",)
    assert ["exit_code" in line for line in journal(place)] == [True, False]
    made.fails, made.runs = {}, []
    stopped_sweep(place / "out", context).execute()
    assert (made.resumed, made.runs) == (["trial-001"], ["trial-002"])
    assert [line["exit_code"] for line in journal(place)] == [0, 0, 0]


def test_a_search_that_is_done_makes_nothing_again(place: Path, search, made, context) -> None:
    first = search().execute()
    before, made.runs = journal(place), []
    again = stopped_sweep(place / "out", context).execute()
    assert (made.runs, made.resumed) == ([], [])
    assert journal(place) == before
    assert [result.folder for result in again] == [result.folder for result in first]


def test_a_rehearsal_makes_two_trials(place: Path, loaded, context, made) -> None:
    rehearsing = attrs.evolve(context, options=attrs.evolve(context.options, rehearse=True))
    new_sweep(loaded(GRID)[0], place / "out", rehearsing).execute()
    assert made.runs == ["trial-000", "trial-001"]


def test_a_planned_search_is_known_by_its_files(place: Path, search, context) -> None:
    assert not is_sweep(place)
    search()
    assert is_sweep(place / "out")
    recipe = place / "out" / "sweep.toml"
    recipe.write_text(recipe.read_text().partition("[sweep]")[0])
    with pytest.raises(DataError, match=r"no longer has a \[sweep\]"):
        stopped_sweep(place / "out", context)


def test_a_launcher_gets_the_trials_of_a_batch(place: Path, loaded, context, made, launched) -> None:
    launcher = launched({"trial-000": 0, "trial-001": 70, "trial-002": 0})
    at_once = new_sweep(loaded(GRID)[0], place / "out", attrs.evolve(context, launcher=launcher))
    at_once.execute()
    assert made.runs == []
    assert [line["exit_code"] for line in journal(place)] == [0, 70, 0]
