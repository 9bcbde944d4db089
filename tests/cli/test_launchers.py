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

from cellcls.api import Launcher
from cellcls.builtin.launchers import processes
from cellcls.builtin.launchers.processes import visible_gpus
from cellcls.execution import launch
from cellcls.execution.context import ChosenLauncher
from cellcls.ops.processes import launching

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
    assert "two-c: ended with exit code 75" in said.err
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


def planned(cli, two: Path, place: Path) -> None:
    """Make the two runs' folders, as if the call had been killed before the first of them was started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "execute", lambda *_: [])
        cli("run", two, "--out", "out", "--launcher", "local")
    assert len(list((place / "out").glob("*/recipe.toml"))) == 2


def test_resumed_runs_that_need_each_other_are_refused_too(cli, place: Path, two: Path):
    planned(cli, two, place)
    recipe = place / "out/two-b/recipe.toml"
    recipe.write_text(recipe.read_text().replace("[init]", f'[init]\nfrom = "{place}/out/two-a"'))
    said = cli("run", "--resume", "out", "--launcher", "local")
    assert said.code == 2
    assert "two-b starts from two-a" in said.err
    assert recipe.is_file()


class Fake(Launcher):
    """Says what it is told to say."""

    component_name = "fake"
    codes: tuple[int, ...] = ()

    def build(self):
        return lambda runs: zip(runs, Fake.codes, strict=False)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    monkeypatch.setattr(launch, "choose_launcher", lambda *_: ChosenLauncher(text="fake", launcher=Fake()))
    return Fake


def test_what_is_said_on_resuming_reaches_launched_runs(cli, two: Path, place: Path, fake):
    planned(cli, two, place)
    fake.codes = (75, 75)
    assert cli("run", "--resume", "out", "--launcher", "fake", "--threads", "1", "--device", "cpu").code == 75
    for name in ("two-a", "two-b"):
        options = json.loads((place / "out" / name / "options.json").read_text())
        assert (options["threads"], options["device"]) == (1, "cpu")


def test_a_single_stopped_run_is_launched_too(cli, two: Path, place: Path, fake):
    planned(cli, two, place)
    fake.codes = (75, 75)
    said = cli("run", "--resume", "out/two-a", "--launcher", "fake", "--json")
    assert said.json()["run"] == "out/two-a"
    assert said.code == 75


@pytest.mark.parametrize(
    ("code", "shown", "word"),
    [
        (-9, 137, "ended with exit code 137"),
        (0, 70, "wrote no metrics"),
        (None, 70, "not run: the launcher"),
        (75, 75, "ended with exit code 75"),
    ],
)
def test_codes_of_launched_runs(cli, two: Path, fake, code: int | None, shown: int, word: str):
    fake.codes = () if code is None else (code, code)
    said = cli("run", two, "--out", "out", "--launcher", "fake", "--json")
    assert said.code == shown
    assert [one["exit_code"] for one in said.json()] == [shown, shown]
    assert said.err.count(word) == 2


@pytest.mark.parametrize("what", ["launcher", "search"])
def test_under_torchrun_nothing_is_launched(cli, two: Path, place: Path, monkeypatch: pytest.MonkeyPatch, what: str):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    search = '[sweep]\nuse = "random"\nspace = { "head.dropout" = { values = [0.0] } }\n'
    (place / "search.toml").write_text((place / "tiny.toml").read_text() + search)
    options = [two, "--launcher", "local"] if what == "launcher" else ["search.toml"]
    said = cli("run", *options, "--out", "out")
    assert said.code == 2
    assert "torchrun" in said.err
    assert not (place / "out").exists()


def test_a_launched_run_is_no_process_of_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    code = "import os; print(sorted(set(os.environ) & {'RANK', 'LOCAL_RANK', 'TORCHELASTIC_RUN_ID', 'MORE', 'PATH'}))"
    monkeypatch.setattr(launching, "command", lambda _: [sys.executable, "-c", code])
    assert launching.start(tmp_path / "run", {"MORE": "1"}).wait() == 0
    assert launching.log(tmp_path / "run").read_text().strip() == "['MORE', 'PATH']"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_runs_save_and_go_on(place: Path, number: int, cli):
    (place / "two.toml").write_text(
        (place / "tiny.toml").read_text().replace("epochs = 1", "epochs = 60") + "[variants.a]\n[variants.b]\n"
    )
    command = [sys.executable, "-m", "cellcls", "run", "two.toml", "--out", "out", "--launcher", "local:at_once=2"]
    child = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    histories = [place / "out" / name / "history.jsonl" for name in ("two-a", "two-b")]
    saved = [path.parent / "state/state.safetensors" for path in histories]
    until = time.monotonic() + 120
    while not all(path.is_file() for path in saved) and time.monotonic() < until:
        time.sleep(0.1)
    child.send_signal(number)
    _, said = child.communicate(timeout=120)
    assert child.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], said
    assert "cellcls run --resume out --launcher local:at_once=2\n" in said
    assert all(path.is_file() for path in saved)
    answer = cli("run", "--resume", "out", "--launcher", "local", "--json")
    assert answer.code == 0, answer.err
    assert all(json.loads(path.read_text().splitlines()[-1])["epoch"] > 0 for path in histories)


def test_gpus_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


LISTED = """\
GPU 0: NVIDIA A100 (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 3g.20gb     Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A100 (UUID: GPU-2)
"""


@pytest.mark.parametrize(
    ("body", "found"), [(f"cat <<'END'\n{LISTED}END", ["0", "1"]), ("sleep 60", []), ("exit 3", [])]
)
def test_gpus_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, found: list[str]):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{body}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(processes, "_LIST_TIMEOUT", 0.5)
    assert visible_gpus() == found


def test_a_second_wish_to_stop_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The first asks them to save; who does not want to wait for that gets them killed."""
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    monkeypatch.setattr(launching, "command", lambda _: [sys.executable, "-c", deaf])
    started = []
    monkeypatch.setattr(processes, "start", lambda *args: started.append(launching.start(*args)) or started[-1])
    runs = processes.execute([tmp_path / "a", tmp_path / "b"], at_once=2)

    def look(_seconds: float) -> None:
        if all((tmp_path / f"{name}.log").read_text() for name in "ab"):
            raise KeyboardInterrupt

    monkeypatch.setattr(processes.time, "sleep", look)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    signal.setitimer(signal.ITIMER_REAL, 3)
    with pytest.raises(KeyboardInterrupt):
        next(runs)
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert [child.returncode for child in started] == [-signal.SIGKILL] * 2


def test_help_imports_no_engine(process):
    code = "import sys, cellcls.cli.main; sys.exit(any(name.startswith('cellcls.engine') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
