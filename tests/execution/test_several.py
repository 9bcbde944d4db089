"""Several runs of one call: their folders, their order, and what one that fails does to the others."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest

from cellcls.errors import ExitCode, InterruptedRunError, MissingInputError, StoppedError, UsageError
from cellcls.execution.several import resume_all, run_all

THREE = '[variants.a]\n[variants.b]\nseed = 9\n[variants.c]\ninit.from = "tiny-a"\n'


def test_one_run_gets_the_folder_and_its_recipe_first(place: Path, loaded, made, context) -> None:
    (result,) = run_all(loaded(), place / "out", context)
    assert made.runs == ["out"]
    assert (result.folder, result.exit_code) == (place / "out", 0)
    assert {"recipe.toml", "options.json"} <= {path.name for path in (place / "out").iterdir()}


def test_variants_share_a_folder_and_are_made_in_their_order(place: Path, loaded, made, context) -> None:
    results = run_all(loaded(THREE), place / "out", context)
    assert made.runs == ["tiny-a", "tiny-b", "tiny-c"]
    assert [result.folder.name for result in results] == made.runs
    planned = json.loads((place / "out" / "runs.json").read_text())
    assert [run["folder"] for file in planned["files"] for run in file["runs"]] == made.runs
    assert f'from = "{place}/out/tiny-a"' in (place / "out" / "tiny-c" / "recipe.toml").read_text()


def test_all_are_planned_before_the_first_is_made(place: Path, loaded, made, context, monkeypatch) -> None:
    seen, end = [], type(made).end

    def counted(self, folder):
        seen.append(len(list(folder.path.parent.glob("*/recipe.toml"))))
        return end(self, folder)

    monkeypatch.setattr(type(made), "end", counted)
    run_all(loaded(THREE), place / "out", context)
    assert seen == [3, 3, 3]


def test_one_that_fails_is_told_and_the_others_go_on(place: Path, loaded, made, context, said) -> None:
    made.fails = {"tiny-b": StoppedError("the loss became nan")}
    results = run_all(loaded(THREE), place / "out", context)
    assert [result.exit_code for result in results] == [0, StoppedError("").exit_code, 0]
    assert any("tiny-b: the loss became nan" in line for line in said)


def test_a_wish_to_stop_is_none_that_failed(place: Path, loaded, made, context) -> None:
    made.fails = {"tiny-b": InterruptedRunError("stopped by SIGTERM", code=ExitCode.TERMINATED)}
    with pytest.raises(InterruptedRunError) as stopped:
        run_all(loaded(THREE), place / "out", context)
    assert made.runs == ["tiny-a", "tiny-b"]
    assert stopped.value.hints == (f"to resume: cellcls run --resume {place}/out",)


def test_where_nothing_can_be_run_nothing_is_made(place: Path, loaded, made, context) -> None:
    missing = "".join(f'[variants.{name}]\ndataset = {{ use = "npz", file = "no.npz" }}\n' for name in "ab")
    with pytest.raises(MissingInputError, match=r"no\.npz"):
        run_all(loaded(missing), place / "out", context)
    assert not (place / "out").exists()


def test_two_of_a_name_are_refused(place: Path, loaded, made, context) -> None:
    with pytest.raises(UsageError, match="two of the recipes are called `tiny`"):
        run_all([*loaded(), *loaded()], place / "out", context)
    assert made.runs == []


def test_a_launcher_takes_all_that_could_be_planned(place: Path, loaded, made, context, launched) -> None:
    some = '[variants.a]\n[variants.b]\ndataset = { use = "npz", file = "no.npz" }\n[variants.c]\n'
    launcher = launched({"tiny-a": 0, "tiny-c": 0})
    results = run_all(loaded(some), place / "out", attrs.evolve(context, launcher=launcher))
    assert made.runs == []
    assert {result.folder.name: result.exit_code for result in results} == {"tiny-a": 0, "tiny-b": 66, "tiny-c": 0}


def test_torchrun_takes_a_single_run_only(loaded, made, context, launched, monkeypatch, place: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="each would execute all runs of --launcher"):
        run_all(loaded(THREE), place / "out", attrs.evolve(context, launcher=launched({})))


# --- going on ---------------------------------------------------------------------------------------------------


def test_what_is_unfinished_goes_on_and_what_is_lost_is_told(place: Path, loaded, made, context, said) -> None:
    made.fails = {"tiny-b": StoppedError("the loss became nan")}
    run_all(loaded(THREE), place / "out", context)
    for path in sorted((place / "out" / "tiny-c").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    made.fails = {}
    results = resume_all(place / "out", context)
    assert made.resumed == ["tiny-b"]
    assert {result.folder.name: result.exit_code for result in results} == {"tiny-b": 0, "tiny-c": ExitCode.NO_INPUT}
    assert any("tiny-c: planned, but missing" in line for line in said)


def test_a_complete_call_has_nothing_to_resume(place: Path, loaded, made, context) -> None:
    run_all(loaded(THREE), place / "out", context)
    with pytest.raises(UsageError, match="complete, nothing to resume"):
        resume_all(place / "out", context)
    assert made.resumed == []


def test_a_folder_that_is_no_run_is_left_alone(place: Path, context) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "recipe.toml").write_text("seed = 1\n")
    with pytest.raises(MissingInputError, match=r"not a run folder: it has a recipe\.toml but no options\.json"):
        resume_all(place / "mine", context)
    with pytest.raises(MissingInputError, match="not a run folder, and contains none"):
        resume_all(place / "nowhere", context)
    assert [path.name for path in (place / "mine").iterdir()] == ["recipe.toml"]


def test_a_search_is_given_alone(place: Path, loaded, made, context) -> None:
    search = '[sweep]\nuse = "grid"\nspace = { "head.dropout" = { values = [0.0, 0.5] } }\n'
    with pytest.raises(UsageError, match=r"a \[sweep\] makes many runs; give this recipe alone"):
        run_all([*loaded(search, "search"), *loaded()], place / "out", context)
