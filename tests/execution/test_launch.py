"""Runs that a launcher executes: their results, whatever order and way they end in."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.errors import ExitCode, InterruptedRunError, UsageError
from cellcls.execution.launch import choose_launcher, execute, refuse_needing, start_of
from cellcls.runs.folder import RunFolder


def test_a_launcher_is_chosen_with_its_settings(registry) -> None:
    chosen = choose_launcher("local:at_once=3", registry)
    assert (chosen.launcher.component_name, chosen.launcher.at_once) == ("local", 3)
    assert chosen.text == "local:at_once=3"


@pytest.mark.parametrize(
    ("said", "why"),
    [("locla", "did you mean `local`"), ("local:at_once=0", "at_once"), ("local:many=2", "many")],
)
def test_a_launcher_that_cannot_be_is_told(registry, said: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"--launcher {said}: ") as told:
        choose_launcher(said, registry)
    assert why in str(told.value)


def test_results_come_in_the_order_of_the_runs(place: Path, context, said, launched) -> None:
    runs = [place / name for name in ("a", "b", "c", "d")]
    (place / "b.log").write_text("one\ntwo\nthe loss became nan\n")
    results = execute(launched({"a": 0, "b": 70, "c": -9}), runs, place, context.output)
    assert [result.folder for result in results] == runs
    assert [result.exit_code for result in results] == [0, 70, 137, ExitCode.BUG]
    assert results[0].metrics.evaluations["test"].accuracy == 0.5
    told = "\n".join(said)
    assert f"{runs[1]}: ended with exit code 70\none\ntwo\nthe loss became nan" in told
    assert f"{runs[3]}: not run: the launcher `noted` skipped it" in told


def test_a_run_that_says_it_is_done_without_figures_failed(place: Path, context, said, launched) -> None:
    launcher = launched({})
    launcher.launcher.build = lambda: lambda runs: iter([(runs[0], 0)])
    (result,) = execute(launcher, [place / "a"], place, context.output)
    assert result.exit_code == ExitCode.BUG
    assert "ended without an error, but wrote no metrics" in "\n".join(said)


def test_a_stop_ends_what_runs_and_says_how_to_go_on(place: Path, context, launched) -> None:
    launcher = launched({"a": 0}, InterruptedRunError("stopped by Ctrl-C", code=ExitCode.INTERRUPTED))
    with pytest.raises(InterruptedRunError) as stopped:
        execute(launcher, [place / "a", place / "b"], place, context.output)
    assert stopped.value.exit_code == ExitCode.INTERRUPTED
    assert stopped.value.hints == (f"to resume: cellcls run --resume {place} --launcher noted",)
    assert launcher.launcher.closed == 1


def test_runs_that_need_each_other_are_refused(place: Path) -> None:
    refuse_needing({place / "a": None, place / "b": place / "elsewhere"})
    with pytest.raises(UsageError, match="b starts from a, a run of the same command"):
        refuse_needing({place / "a": None, place / "b": place / "x" / ".." / "a"})


def test_a_run_with_a_state_of_its_own_needs_no_start(place: Path, registry) -> None:
    folder = RunFolder(place / "run")
    folder.path.mkdir()
    folder.recipe.write_text('[init]\nfrom = "earlier"\n')
    assert start_of(folder, registry) == Path("earlier")
    folder.saved.parent.mkdir()
    folder.saved.write_bytes(b"state")
    assert start_of(folder, registry) is None
    folder.saved.unlink()
    folder.recipe.write_text("broken = [")
    assert start_of(folder, registry) is None
