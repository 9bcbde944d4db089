"""A search of settings: its runs, its journal, going on with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cellcls import report
from cellcls.builtin.searches import Random
from cellcls.errors import DataError, ExitCode, InterruptedRunError
from cellcls.execution import launch, single
from cellcls.execution.result import failed

SWEEP = """
[sweep]
use = "random"
trials = 3
metric = "val.loss"
space = { "stages.0.optimizer.lr" = { low = 1e-4, high = 1e-2, log = true }, "head.dropout" = { values = [0.0, 0.5] } }
"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "write", lambda _: None)


@pytest.fixture
def recipe(place: Path) -> Path:
    path = place / "search.toml"
    path.write_text((place / "tiny.toml").read_text() + SWEEP)
    return path


def journal(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "sweep.jsonl").read_text().splitlines()]


def test_each_trial_is_an_ordinary_run_with_its_settings(cli, recipe: Path):
    said = cli("run", recipe, "--out", "out")
    assert said.code == 0, said.err
    lines = journal(Path("out"))
    assert [line["trial"] for line in lines] == [0, 1, 2]
    for line in lines:
        run = Path("out") / f"trial-{line['trial']:03}"
        shown = cli("show", run / "recipe.toml", "--json").json()["recipe"]
        assert shown["stages"][0]["optimizer"]["lr"] == line["settings"]["stages.0.optimizer.lr"]
        assert shown["head"]["dropout"] == line["settings"]["head.dropout"]
        assert "sweep" not in shown
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["evaluations"]["val"]["loss"] == line["value"]
    best = json.loads(Path("out/best.json").read_text())
    assert best["val.loss"] == min(line["value"] for line in lines)
    assert f"best of 3 trials: {best['trial']}" in said.out
    assert "by val.loss" in said.out
    assert Path("out/comparison.html").is_file()


def test_a_sweep_goes_on_as_if_it_had_not_been_stopped(cli, recipe: Path, monkeypatch: pytest.MonkeyPatch):
    assert cli("run", recipe, "--out", "whole").code == 0
    made = single._execute
    count = iter(range(9))

    def stopping(job, output):
        if next(count) == 1:
            raise InterruptedRunError("stopped by SIGTERM", code=ExitCode.TERMINATED)
        made(job, output)

    monkeypatch.setattr(single, "_execute", stopping)
    said = cli("run", recipe, "--out", "out")
    assert said.code == 143
    assert "cellcls run --resume out" in said.err
    assert len(journal(Path("out"))) == 2
    said = cli("run", "--resume", "out")
    assert said.code == 0, said.err
    assert journal(Path("out")) == journal(Path("whole"))
    assert json.loads(Path("out/best.json").read_text()) == json.loads(Path("whole/best.json").read_text())


def test_a_trial_killed_at_any_point_is_made_up_for(cli, recipe: Path):
    assert cli("run", recipe, "--out", "out").code == 0
    whole = journal(Path("out"))
    lines = [dict(line) for line in whole]
    del lines[1]["exit_code"], lines[1]["value"]  # complete, and not yet written down
    Path("out/sweep.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))
    shutil.rmtree("out/trial-002")
    (Path("out") / "trial-002").mkdir()  # made, and nothing in it
    assert cli("run", "--resume", "out").code == 0
    assert journal(Path("out")) == whole


def test_a_trial_that_fails_is_told_and_the_search_goes_on(cli, recipe: Path, monkeypatch: pytest.MonkeyPatch):
    made = single._execute
    count = iter(range(9))

    def failing(job, output):
        if next(count) == 0:
            raise DataError("no luck")
        made(job, output)

    monkeypatch.setattr(single, "_execute", failing)
    said = cli("run", recipe, "--out", "out")
    assert said.code == 0
    assert "no luck" in said.err
    assert [line["exit_code"] for line in journal(Path("out"))] == [65, 0, 0]
    assert json.loads(Path("out/best.json").read_text())["trial"] != "trial-000"


def test_a_rehearsal_runs_two_trials(cli, recipe: Path):
    assert cli("run", recipe, "--rehearse", "--out", "out").code == 0
    assert len(journal(Path("out"))) == 2


def test_a_grid_is_walked_once(cli, place: Path):
    grid = '[sweep]\nuse = "grid"\nspace = { "head.dropout" = { values = [0.0, 0.5] } }\n'
    (place / "grid.toml").write_text((place / "tiny.toml").read_text() + grid)
    said = cli("run", "grid.toml", "--out", "out")
    assert said.code == 0, said.err
    assert "only 2 combinations exist: 2 trials, not 20" in said.err
    assert [line["settings"]["head.dropout"] for line in journal(Path("out"))] == [0.0, 0.5]


def test_a_grid_that_is_cut_off_is_told(cli, place: Path):
    grid = '[sweep]\nuse = "grid"\ntrials = 1\nspace = { "head.dropout" = { values = [0.0, 0.5] } }\n'
    (place / "grid.toml").write_text((place / "tiny.toml").read_text() + grid)
    said = cli("run", "grid.toml", "--out", "out")
    assert "the first 1 of 2 combinations; trials = 2 runs all" in said.err
    assert len(journal(Path("out"))) == 1


def test_a_sweep_stands_alone(cli, recipe: Path):
    assert cli("run", recipe, "tiny.toml").code == 2


def test_nothing_of_a_sweep_is_taken_over_from_a_base(cli, recipe: Path, place: Path):
    (place / "over.toml").write_text('base = "search.toml"\n')
    assert cli("run", "over.toml", "--out", "out").code == 0
    assert not Path("out/sweep.jsonl").exists()


def test_a_sweep_without_data_leaves_nothing(cli, recipe: Path):
    said = cli("run", recipe, "--set", "dataset.use=npz", "--set", "dataset.file=gone.npz", "--out", "out")
    assert said.code == 66
    assert not Path("out").exists()


def test_check_and_show_take_it(cli, recipe: Path):
    assert cli("check", recipe).code == 0
    assert cli("show", recipe).code == 0
    rows = cli("describe", "recipe", "--json").json()
    assert {"sweep.trials", "sweep.metric", "sweep.space"} <= {row["setting"] for row in rows}


def test_trials_at_once_are_proposed_from_those_before_them(cli, recipe: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []

    def build(self, *, seed):
        drawn = own(self, seed=seed)

        def propose(number, finished):
            asked.append((number, [one.number for one in finished]))
            return drawn(number, finished)

        return propose

    own = Random.build
    monkeypatch.setattr(Random, "build", build)
    recipe.write_text(recipe.read_text().replace("trials = 3", "trials = 3\nat_once = 2"))
    assert cli("run", recipe, "--out", "out").code == 0
    assert asked == [(0, []), (1, []), (2, [0, 1])]


def test_a_launcher_runs_trials_side_by_side(cli, recipe: Path):
    recipe.write_text(recipe.read_text().replace("trials = 3", "trials = 3\nat_once = 2"))
    assert cli("run", recipe, "--out", "here", "--threads", 1).code == 0
    said = cli("run", recipe, "--out", "out", "--threads", 1, "--launcher", "local:at_once=2")
    assert said.code == 0, said.err
    assert "2 runs, launched by `local`" in said.err
    assert journal(Path("out")) == journal(Path("here"))
    lines = journal(Path("out"))
    del lines[2]["exit_code"], lines[2]["value"]  # killed while it ran
    Path("out/sweep.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree("out/trial-002")
    said = cli("run", "--resume", "out", "--launcher", "local")
    assert said.code == 0, said.err
    assert journal(Path("out")) == journal(Path("here"))


def test_a_launched_trial_that_somebody_stopped_is_no_outcome(cli, recipe: Path, monkeypatch: pytest.MonkeyPatch):
    results = [143, 0]
    monkeypatch.setattr(launch, "execute", lambda _, runs, *__: [failed(run, results.pop(0)) for run in runs])
    recipe.write_text(recipe.read_text().replace("trials = 3", "trials = 3\nat_once = 2"))
    said = cli("run", recipe, "--out", "out", "--launcher", "local")
    assert said.code == 75
    assert "cellcls run --resume out" in said.err
    assert ["exit_code" in line for line in journal(Path("out"))] == [False, True]
