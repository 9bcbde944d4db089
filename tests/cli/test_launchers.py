"""Runs that a launcher executes in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.equality import assert_equal_runs

from cellcls.builtin.launchers.processes import visible_gpus

VARIANTS = "[variants.a]\n[variants.b]\nseed = 9\n"


@pytest.fixture
def two(place: Path) -> Path:
    path = place / "two.toml"
    path.write_text((place / "tiny.toml").read_text() + VARIANTS)
    return path


def test_launched_runs_are_those_of_this_process(cli, two: Path, place: Path):
    said = cli("run", two, "--out", "launched", "--launcher", "local:at_once=2", "--json")
    assert said.code == 0, said.err
    assert [Path(one["run"]).name for one in said.json()] == ["two-a", "two-b"]
    assert cli("run", two, "--out", "here").code == 0
    for name in ("two-a", "two-b"):
        assert_equal_runs(place / "launched" / name, place / "here" / name)
    assert (place / "launched/comparison.html").is_file()
    assert "epoch 1" in (place / "launched/two-a.log").read_text()


def test_one_that_fails_is_told_and_the_others_go_on(cli, place: Path):
    (place / "two.toml").write_text(
        (place / "tiny.toml").read_text()
        + VARIANTS
        + '[variants.c]\nstages = [{ epochs = 20, optimizer = { use = "sgd", lr = 1e30 } }]\n'
    )
    said = cli("run", "two.toml", "--out", "out", "--launcher", "local")
    assert said.code == 75
    assert "two-c: ended with 75" in said.err
    assert "the loss became" in said.err
    assert (place / "out/two-b/metrics.json").is_file()


def test_a_run_that_needs_another_is_refused(cli, place: Path):
    (place / "two.toml").write_text(
        (place / "tiny.toml").read_text() + '[variants.a]\n[variants.b]\ninit.from = "two-a"\n'
    )
    said = cli("run", "two.toml", "--out", "out", "--launcher", "local")
    assert said.code == 2
    assert "two-b starts from two-a" in said.err
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("said", "word"),
    [("lokal", "did you mean `local`"), ("local:at_once=0", "at least 1"), ("local:speed=9", "no setting `speed`")],
)
def test_a_wrong_launcher_is_told(cli, two: Path, said: str, word: str):
    answer = cli("run", two, "--launcher", said)
    assert answer.code == 2
    assert word in answer.err


def test_a_search_runs_its_trials_itself(cli, place: Path):
    sweep = '[sweep]\nuse = "random"\nspace = { "head.dropout" = { values = [0.0] } }\n'
    (place / "sweep.toml").write_text((place / "tiny.toml").read_text() + sweep)
    assert cli("run", "sweep.toml", "--launcher", "local").code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_runs_save_and_go_on(place: Path, number: int, cli):
    (place / "two.toml").write_text(
        (place / "tiny.toml").read_text().replace("epochs = 1", "epochs = 50000") + "[variants.a]\n[variants.b]\n"
    )
    command = [sys.executable, "-m", "cellcls", "run", "two.toml", "--out", "out", "--launcher", "local:at_once=2"]
    child = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    histories = [place / "out" / name / "history.jsonl" for name in ("two-a", "two-b")]
    until = time.monotonic() + 120
    while not all(path.is_file() and path.stat().st_size for path in histories) and time.monotonic() < until:
        time.sleep(0.1)
    child.send_signal(number)
    _, said = child.communicate(timeout=120)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], said
    assert "cellcls run --resume out --launcher local" in said
    for path in histories:
        assert (path.parent / "state/state.safetensors").is_file()
    for name in ("two-a", "two-b"):  # so that the rest is quick
        done = len((place / "out" / name / "history.jsonl").read_text().splitlines())
        recipe = place / "out" / name / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("epochs = 50000", f"epochs = {done + 1}"))
    answer = cli("run", "--resume", "out", "--launcher", "local", "--json")
    assert answer.code == 0, answer.err
    assert all(json.loads(path.read_text().splitlines()[-1])["epoch"] > 0 for path in histories)


def test_gpus_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
