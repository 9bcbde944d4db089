"""A process that is killed between any two of its writes leaves what can be gone on with, and nothing that lies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.equality import assert_equal_runs

from cellcls import report
from cellcls.cli import main
from cellcls.runs.folder import RunFolder

SWEEP = """
[sweep]
use = "random"
trials = 2
metric = "val.loss"
space = { "stages.0.optimizer.lr" = { low = 1e-4, high = 1e-2, log = true } }
"""


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it but what tidies up in any case."""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that is drawn quickly, in one write."""
    monkeypatch.setattr(report, "write", lambda run: _report(run))


def _report(run: Path) -> None:
    made = run / ".report"
    made.write_text("drawn")
    made.replace(run / "report.html")


@contextmanager
def killed_before(number: int) -> Iterator[None]:
    """Kill the block before its change of that number on the disk: a file put in its place, or a folder removed."""
    left = iter(range(number))

    def counted(change: Callable[..., object]) -> Callable[..., object]:
        def counting(*args: object, **kwargs: object) -> object:
            if next(left, None) is None:
                raise Killed
            return change(*args, **kwargs)

        return counting

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
        yield


def until_it_ends(*command: str, step: int = 1) -> Iterator[None]:
    """Run a command again and again, each time killed ``step`` writes later, until it comes to its end."""
    for number in range(0, 200, step):
        shutil.rmtree("out", ignore_errors=True)
        with pytest.raises((Killed, SystemExit)) as ended, killed_before(number):
            main([*command])
        if ended.type is SystemExit:
            assert ended.value.code == 0
            return
        yield
    pytest.fail("it never ends")


def test_a_run_killed_at_any_point_goes_on_to_the_same_end(cli, place: Path):
    assert cli("run", "tiny.toml", "--out", "whole").code == 0
    out = RunFolder(place / "out")
    points = 0
    for _ in until_it_ends("run", "tiny.toml", "--out", "out", "--threads", "1"):
        points += 1
        said = cli("run", "--resume", "out")
        if out.recipe.exists():
            assert said.code == 0, said.err
            assert_equal_runs(place / "whole", out.path)
            assert (out.path / "report.html").is_file()
            assert json.loads(out.options.read_text())["threads"] == 1
        else:  # not even planned: nothing that could be gone on with
            assert said.code == 66
            assert not out.complete
    assert points > 10
    assert cli("run", "--resume", "out").code == 2


def test_a_search_killed_at_any_point_goes_on_to_the_same_end(cli, place: Path):
    (place / "search.toml").write_text((place / "tiny.toml").read_text() + SWEEP)
    assert cli("run", "search.toml", "--out", "whole").code == 0
    for _ in until_it_ends("run", "search.toml", "--out", "out", step=11):
        said = cli("run", "--resume", "out")
        if not (place / "out/sweep.toml").exists():
            assert said.code == 66
            continue
        assert said.code == 0, said.err
        for name in ("best.json", "sweep.jsonl"):
            assert (place / "out" / name).read_text() == (place / "whole" / name).read_text()
        for name in ("trial-000", "trial-001"):
            assert_equal_runs(place / "whole" / name, place / "out" / name)
        assert "by val.loss" in said.out


def test_a_call_killed_while_it_plans_says_what_it_lost(cli, place: Path):
    (place / "pair.toml").write_text((place / "tiny.toml").read_text() + "[variants.a]\n[variants.b]\n")
    lost = set()
    for number in range(6):  # the plan, and options and recipe of each
        shutil.rmtree("out", ignore_errors=True)
        with pytest.raises(Killed), killed_before(number):
            main(["run", "pair.toml", "--out", "out"])
        there = {path.parent.name for path in Path("out").glob("*/recipe.toml")}
        said = cli("run", "--resume", "out")
        assert said.code == (66 if len(there) < 2 else 0), said.err
        for name in {"pair-a", "pair-b"} - there if there else ():
            assert f"out/{name}: planned, but missing" in said.err
            lost.add(name)
        assert all(RunFolder(place / "out" / name).complete for name in there)
    assert lost == {"pair-b"}


@pytest.mark.parametrize("left", [(), ("options.json",), ("options.json", "state")])
def test_only_figures_make_a_run_complete(cli, place: Path, left: tuple[str, ...]):
    """What an earlier version or a copy left out of a folder is no end of the run."""
    (place / "search.toml").write_text((place / "tiny.toml").read_text() + SWEEP)
    assert cli("run", "search.toml", "--out", "out").code == 0
    journal = [json.loads(line) for line in (place / "out/sweep.jsonl").read_text().splitlines()]
    del journal[1]["exit_code"], journal[1]["value"]
    (place / "out/sweep.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))
    run = place / "out/trial-001"
    for path in run.iterdir():
        if path.name not in ("recipe.toml", *left):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    said = cli("run", "--resume", "out")
    assert said.code == 0, said.err
    assert RunFolder(run).complete
    assert 'exit_code": 0' in (place / "out/sweep.jsonl").read_text().splitlines()[1]
