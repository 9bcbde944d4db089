from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from cellcls.api import Choice, Trial
from cellcls.testing import TINY, ComponentTests, command, write_recipe
from cellcls_optuna import TreeParzen, cellcls_components


class TestComponents(ComponentTests):
    plugin = "cellcls_optuna"
    examples = {"search tpe": {"random_first": 1}}  # noqa: RUF012  # it learns from the first of their four trials


SPACE = {
    "rate": Choice(low=1e-5, high=1e-1, log=True),
    "size": Choice(low=1, high=64),
    "use": Choice(values=("a", "b")),
}


def value(settings: dict) -> float:
    """Best at a rate of 1e-3 and with `b`."""
    import math

    return -abs(math.log10(settings["rate"]) + 3) - (settings["use"] == "a")


def searched(count: int, seed: int = 0) -> list[Trial]:
    propose = TreeParzen(space=SPACE, trials=count).build(seed=seed)
    trials: list[Trial] = []
    for number in range(count):
        settings = dict(propose(number, trials))
        trials.append(Trial(number=number, settings=settings, value=value(settings)))
    return trials


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="optuna")
    assert entry.load().cellcls_components() == cellcls_components() == [TreeParzen]


def test_it_learns_where_to_look():
    early, late = [], []
    for seed in range(3):
        found = searched(40, seed)
        early += [trial.value for trial in found[:10]]
        late += [trial.value for trial in found[-10:]]
    assert sum(late) / len(late) > sum(early) / len(early) + 0.3


def test_a_search_that_was_stopped_proposes_the_same():
    whole = searched(14)
    propose = TreeParzen(space=SPACE, trials=14).build(seed=0)
    assert all(dict(propose(number, whole[:number])) == dict(whole[number].settings) for number in range(14))
    assert searched(3, seed=1) != whole[:3]


def test_values_are_of_their_types_and_in_their_ranges():
    for trial in searched(12):
        assert 1e-5 <= trial.settings["rate"] <= 1e-1
        assert type(trial.settings["size"]) is int
        assert 1 <= trial.settings["size"] <= 64
        assert trial.settings["use"] in ("a", "b")


def test_failed_trials_are_no_obstacle():
    failed = [Trial(number=number, settings=one.settings) for number, one in enumerate(searched(12))]
    assert TreeParzen(space=SPACE).build(seed=0)(12, failed)


def test_listing_imports_no_optuna():
    code = "import sys, cellcls_optuna; sys.exit('optuna' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


SEARCH = {
    "use": "tpe",
    "trials": 3,
    "random_first": 1,
    "metric": "val.loss",
    "space": {"stages.0.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True}},
}


def test_a_recipe_is_searched(tmp_path: Path):
    stage = {**TINY["stages"][0], "epochs": 1}
    write_recipe(tmp_path / "search.toml", {**TINY, "requires": ["cellcls-optuna"], "stages": [stage], "sweep": SEARCH})
    done = command("run", "search.toml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out/sweep.jsonl").read_text().splitlines()]
    assert len({line["settings"]["stages.0.optimizer.lr"] for line in lines}) == 3
    best = json.loads((tmp_path / "out/best.json").read_text())
    assert best["val.loss"] == min(line["value"] for line in lines)
