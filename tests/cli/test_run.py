"""``cellcls run``: one run, several, stopped ones; what is printed where."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.equality import assert_equal_runs, without_times
from support.recipes import RECIPE

from cellcls import report
from cellcls.cli import output
from cellcls.engine import train
from cellcls.errors import DataError
from cellcls.testing import write_recipe

pytestmark = pytest.mark.usefixtures("undrawn")

CLAIM = '[claim]\nplace = "Table 1"\ntest.accuracy = {{ above = {above} }}\n'


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no report, which takes most of so small a run's time; tests of ``evaluate`` use a run that has its."""
    monkeypatch.setattr(report, "write", lambda run: (run / "report.html").write_text("undrawn"))


def recipe(place: Path, name: str, more: str = "") -> Path:
    """Write tiny.toml with lines added, without its name's own file."""
    path = place / f"{name}.toml"
    path.write_text((place / "tiny.toml").read_text() + more)
    return path


def test_a_run_says_what_it_measured(cli, place: Path):
    said = cli("run", "tiny.toml", "--out", "out")
    assert said.code == 0
    assert "report: out/report.html" in said.out
    metrics = json.loads((place / "out" / "metrics.json").read_text())
    for name in ("val", "test"):
        assert f"{metrics['evaluations'][name]['accuracy']:.1%}" in said.out
    assert "epoch 1" in said.err
    assert "epoch 1" not in said.out


def test_runs_are_numbered(cli, place: Path):
    assert cli("run", "tiny.toml").code == 0
    assert cli("run", "tiny.toml").code == 0
    assert sorted(path.name for path in (place / "runs").iterdir()) == ["tiny-1", "tiny-2"]


def test_json_of_a_run_is_its_metrics(cli, place: Path):
    answer = cli("run", "tiny.toml", "--out", "out", "--json").json()
    assert (answer["run"], answer["exit_code"]) == ("out", 0)
    assert answer["metrics"] == json.loads((place / "out" / "metrics.json").read_text())


def test_settings_and_threads_reach_the_run(cli, place: Path):
    said = cli("run", "tiny.toml", "--out", "out", "--set", "stages.0.optimizer.lr=0.5", "--threads", "1")
    assert said.code == 0
    assert json.loads((place / "out" / "history.jsonl").read_text())["lr"] == 0.5
    assert json.loads((place / "out" / "environment.json").read_text())["threads"] == 1


@pytest.mark.parametrize("data", ["challenge", "medmnist", "pictures", None])
def test_a_runs_own_recipe_repeats_it(cli, place: Path, data: str | None, request: pytest.FixtureRequest):
    options = ["--data", request.getfixturevalue(data)] if data else []
    more = ["--set", "split.val=0.25", "--set", "split.test=0.25"]
    first = cli("run", "tiny.toml", "--out", "one", *options, *more)
    assert first.code == 0, first.err
    again = cli("run", "one/recipe.toml", "--out", "two")
    assert again.code == 0, again.err
    assert_equal_runs(place / "one", place / "two")
    assert (place / "one" / "recipe.toml").read_text() == (place / "two" / "recipe.toml").read_text()


def test_data_is_a_set_or_a_folder_to_look_in(cli, place: Path, challenge: Path):
    (place / "elsewhere").mkdir()
    challenge.rename(place / "elsewhere" / "cells.npz")
    own = ("--set", "dataset.use=npz", "--set", "dataset.file=cells.npz")
    for number, (data, options) in enumerate(
        [("elsewhere", own), ("elsewhere/cells.npz", own), ("elsewhere/cells.npz", ())]
    ):
        assert cli("run", "tiny.toml", "--data", data, "--out", f"out{number}", *options).code == 0
        record = json.loads((place / f"out{number}" / "data.json").read_text())
        assert (record["dataset"], record["n"]) == ("npz", 40)


def test_a_set_given_with_data_keeps_the_settings_of_the_recipe(cli, place: Path, challenge: Path):
    with np.load(challenge) as arrays:
        np.savez(place / "other.npz", pictures=arrays["images"], labels=arrays["labels"])
    own = [part for one in ("use=npz", "file=x.npz", "images=pictures") for part in ("--set", f"dataset.{one}")]
    assert cli("run", "tiny.toml", "--data", "other.npz", "--out", "out", *own).code == 0


def test_claims(cli, place: Path):
    kept = cli("run", recipe(place, "modest", CLAIM.format(above=0)), "--out", "kept", "--fail-on-claims")
    assert kept.code == 0
    assert "Table 1" in kept.out
    bold = recipe(place, "bold", CLAIM.format(above=1.5))
    missed = cli("run", bold, "--out", "missed")
    assert missed.code == 0
    assert "not held" in missed.out
    assert cli("run", bold, "--out", "failed", "--fail-on-claims").code == 1


VARIANTS = "[variants.small]\nbackbone.filters = [4]\n[variants.large]\nbackbone.filters = [8, 8, 8]\n"


def test_variants_make_a_run_each(cli, place: Path):
    said = cli("run", recipe(place, "sizes", VARIANTS), "--out", "out", "--json")
    assert said.code == 0
    answers = said.json()
    assert [one["metrics"]["name"] for one in answers] == ["sizes-small", "sizes-large"]
    assert [one["run"] for one in answers] == ["out/sizes-small", "out/sizes-large"]
    parameters = [one["metrics"]["parameters"] for one in answers]
    assert parameters[0] < parameters[1]
    alone = cli("run", "sizes.toml", "--variant", "large", "--out", "alone", "--json").json()
    assert without_times(alone["metrics"]) == without_times(answers[1]["metrics"])


def test_seeds_make_a_run_each(cli, place: Path):
    said = cli("run", "tiny.toml", "--set", "seeds=[1, 2]", "--out", "out")
    assert said.code == 0, said.err
    runs = [json.loads((place / "out" / f"tiny-seed{seed}" / "metrics.json").read_text()) for seed in (1, 2)]
    assert [run["seed"] for run in runs] == [1, 2]
    assert runs[0]["train_running"] != runs[1]["train_running"]
    for run in runs:
        assert f"{run['evaluations']['test']['accuracy']:.1%}" in said.out


def test_several_recipes_and_folders_of_them(cli, place: Path):
    (place / "many").mkdir()
    for name in ("one", "two"):
        shutil.copy(place / "tiny.toml", place / "many" / f"{name}.toml")
    answers = cli("run", "many", "tiny.toml", "--out", "out", "--json").json()
    assert [one["run"] for one in answers] == ["out/one", "out/two", "out/tiny"]
    assert all((place / one["run"] / "metrics.json").exists() for one in answers)
    twice = cli("run", "tiny.toml", "tiny.toml", "--out", "other")
    assert twice.code == 2
    assert not (place / "other").exists()


def test_one_that_fails_does_not_stop_the_others(cli, place: Path):
    bad = write_recipe(place / "bad.toml", {**RECIPE, "dataset": {"use": "npz", "file": "no.npz"}})
    late = recipe(place, "late", "[loss]\nclass_weights = [1.0, 2.0]\n")
    said = cli("run", bad, "tiny.toml", late, "--out", "out", "--json")
    assert said.code == 66
    assert [one["exit_code"] for one in said.json()] == [66, 0, 78]
    assert [one["metrics"] is None for one in said.json()] == [True, False, True]
    assert "no.npz" in said.err
    assert sorted(path.name for path in (place / "out").iterdir() if path.is_dir()) == ["tiny"]


def test_when_all_fail_nothing_is_made(cli, place: Path):
    options = ("--set", "dataset.use=npz", "--set", "dataset.file=no.npz", "--set", "seeds=[1, 2]")
    assert cli("run", "tiny.toml", "--out", "out", *options).code == 66
    assert not (place / "out").exists()


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return a function that sends a signal in the step of that number."""

    def arrange(number: int, step: int) -> None:
        take = train.take_step
        steps = []

        def counted(*args):
            steps.append(1)
            if len(steps) == step:
                os.kill(os.getpid(), number)
            return take(*args)

        monkeypatch.setattr(train, "take_step", counted)

    return arrange


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_resume(cli, place: Path, interrupted, number: int, code: int):
    assert cli("run", "tiny.toml", "--out", "whole").code == 0
    interrupted(number, 2)
    said = cli("run", "tiny.toml", "--out", "out")
    assert said.code == code
    assert "cellcls run --resume out" in said.err
    assert not (place / "out" / "metrics.json").exists()
    resumed = cli("run", "--resume", "out")
    assert resumed.code == 0
    assert_equal_runs(place / "whole", place / "out")


def test_ctrl_c_while_data_are_opened_says_how_to_resume(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_):
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train, "open_session", interrupt)
        said = cli("run", "tiny.toml", "--out", "out")
    assert said.code == 130
    assert "cellcls run --resume out" in said.err
    assert cli("run", "--resume", "out").code == 0


def test_resuming_a_parent_goes_on_with_what_is_unfinished(cli, place: Path, interrupted):
    sizes = recipe(place, "sizes", VARIANTS)
    interrupted(signal.SIGINT, 6)  # four steps a run: in the second
    said = cli("run", sizes, "--out", "out")
    assert said.code == 130
    assert said.err.rstrip().endswith("cellcls run --resume out")
    finished = place / "out" / "sizes-small" / "metrics.json"
    before = finished.stat().st_mtime_ns
    resumed = cli("run", "--resume", "out", "--json")
    assert resumed.code == 0
    assert resumed.json()["run"] == "out/sizes-large"
    assert finished.stat().st_mtime_ns == before
    assert cli("run", "--resume", "out").code == 2


def test_options_given_on_resuming_count(cli, place: Path, challenge: Path, interrupted):
    interrupted(signal.SIGINT, 1)
    options = ("--set", "dataset.use=npz", "--set", "dataset.file=cells.npz")
    assert cli("run", "tiny.toml", "--out", "out", *options).code == 130
    (place / "moved").mkdir()
    challenge.rename(place / "moved" / "cells.npz")
    assert cli("run", "--resume", "out").code == 66
    assert cli("run", "--resume", "out", "--data", "moved").code == 0


def test_a_run_another_process_writes_is_left_alone(cli, place: Path, interrupted):
    from filelock import FileLock

    interrupted(signal.SIGINT, 1)
    assert cli("run", "tiny.toml", "--out", "out").code == 130
    shutil.rmtree(place / "out" / "state")
    (place / "out" / "state").mkdir()  # as if the other had saved nothing yet
    with FileLock(place / "out" / ".lock"):
        said = cli("run", "--resume", "out")
    assert said.code == 2
    assert "another process" in said.err
    assert (place / "out" / "recipe.toml").exists()


def test_a_bug_in_a_fresh_run_leaves_no_folder(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(train, "open_session", fail)
    assert cli("run", "tiny.toml", "--out", "out").code == 70
    assert not (place / "out").exists()


def test_a_later_failure_keeps_what_was_trained(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_):
        raise DataError("the file went away")

    with monkeypatch.context() as patch:
        patch.setattr(train, "finish", fail)
        assert cli("run", "tiny.toml", "--out", "out").code == 65
    assert (place / "out" / "best.safetensors").exists()
    assert cli("run", "--resume", "out").code == 0


CHAIN = """\
[variants.first]
[variants.second]
init.from = "tiny-first"
stages = [{ epochs = 1, freeze = "backbone" }]
"""


def test_a_variant_starts_from_an_earlier_one_of_its_file(cli, place: Path):
    chain = recipe(place, "tiny", CHAIN)
    assert cli("check", chain).code == 0
    said = cli("run", chain, "--out", place / "both", "--json")
    assert said.code == 0, said.err
    started = json.loads((place / "both/tiny-second/data.json").read_text())["init"]
    assert Path(started["weights"]) == place / "both/tiny-first/best.safetensors"


def test_a_run_that_is_to_start_from_none_is_refused_at_once(cli, place: Path):
    said = cli("run", recipe(place, "tiny", '[init]\nfrom = "nowhere"\n'), "--out", place / "run")
    assert said.code == 66
    assert "no such run" in said.err
    assert not (place / "run").exists()


def test_a_stopped_run_goes_on_without_the_run_it_started_from(cli, place: Path, interrupted):
    assert cli("run", "tiny.toml", "--out", "first").code == 0
    interrupted(signal.SIGINT, 2)
    second = recipe(place, "second", '[init]\nfrom = "first"\n')
    assert cli("run", second, "--out", "out").code == 130
    shutil.rmtree(place / "first")
    assert cli("run", "--resume", "out").code == 0


def test_every_broken_recipe_of_a_folder_is_told_and_nothing_runs(cli, place: Path):
    (place / "many").mkdir()
    tiny = (place / "tiny.toml").read_text()
    for name, text in {"good": tiny, "bad": tiny + "[head]\ndropot = 1\n", "worse": "seed = "}.items():
        (place / "many" / f"{name}.toml").write_text(text)
    said = cli("run", "many", "--out", "out")
    assert said.code == 78
    assert "many/bad.toml" in said.err
    assert "dropot" in said.err
    assert "many/worse.toml:1" in said.err
    assert "good" not in said.err
    assert not (place / "out").exists()


def test_free_cores_are_chosen_once_and_kept_with_the_run(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(output, "free_cores", lambda: 1)
    assert cli("run", "tiny.toml", "--out", "out", "--threads", "auto").code == 0
    assert json.loads((place / "out" / "options.json").read_text())["threads"] == 1
    assert json.loads((place / "out" / "environment.json").read_text())["threads"] == 1
    assert cli("run", "tiny.toml", "--threads", "few").code == 2
