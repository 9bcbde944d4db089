"""``cellcls compare``, and the comparison that ``cellcls run`` writes beside its runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.runs import write_small_run

from cellcls import report

VARIANTS = "[variants.small]\nbackbone.filters = [4]\n[variants.large]\nbackbone.filters = [8, 8]\n"
EXPECT = '[[expect]]\nmetric = "test.accuracy"\ndifference = ["large", "small"]\nvalue = {}\ntolerance = 1\n'


@pytest.fixture
def parent(place: Path) -> Path:
    for name, marks in (("good", [1] * 10), ("poor", [1] * 4 + [0] * 6)):
        write_small_run(place / "runs" / name, {"test": marks, "val": marks})
    return place / "runs"


def test_a_folder_of_runs_gets_its_comparison(cli, parent: Path):
    said = cli("compare", parent)
    assert said.code == 0
    lines = said.out.splitlines()
    assert "good" in lines[3]
    assert "poor" in lines[4]
    assert f"comparison: {parent}/comparison.html" in said.out
    assert "McNemar" in said.err
    assert (parent / "comparison.html").exists()
    assert cli("compare", parent).code == 0


def test_several_runs_get_a_new_folder(cli, parent: Path, place: Path):
    answer = cli("compare", parent / "poor", parent / "good", "--json").json()
    assert answer["page"] == "runs/compare-1/comparison.html"
    assert [one["name"] for one in answer["runs"]] == ["good", "poor"]
    poor = answer["runs"][1]["to_best"]
    assert (poor["difference"], poor["p"], poor["noise"]) == (-0.6, 2 / 2**6, False)
    assert poor["interval"][0] < -0.6 < poor["interval"][1] < 0
    assert answer["baselines"]["chance"] == {"test": 0.5, "val": 0.5}
    assert cli("compare", parent / "poor", "--json").json()["page"] == "runs/compare-2/comparison.html"
    taken = cli("compare", parent, "--out", "runs/compare-1")
    assert (taken.code, "not overwritten" in taken.err) == (2, True)


def test_corrupted_evaluations_are_compared(cli, place: Path):
    listed = [{"name": "remote", "part": "test", "corrupt": "competition"}]
    for name, marks in (("good", [[1] * 8] * 3), ("poor", [[0] * 7 + [1]] * 3)):
        write_small_run(place / "runs" / name, {"remote": marks}, evaluate=listed)
    answer = cli("compare", "runs", "--by", "remote.accuracy", "--json").json()
    assert answer["runs"][1]["to_best"]["images"] == 8
    assert "training, and what was claimed" in cli("compare", "runs").out


def test_wrong_questions_are_answered(cli, parent: Path):
    assert cli("compare", "nowhere").code == 66
    assert cli("compare").code == 2
    wrong = cli("compare", parent, "--by", "test.acuracy")
    assert (wrong.code, "did you mean `test.accuracy`?" in wrong.err) == (2, True)
    assert not (parent / "comparison.html").exists()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "write", lambda _: None)


@pytest.mark.usefixtures("undrawn")
def test_a_run_of_variants_ends_with_their_comparison_and_what_was_expected(cli, place: Path):
    path = place / "sizes.toml"
    path.write_text((place / "tiny.toml").read_text() + EXPECT.format(0) + EXPECT.format(3) + VARIANTS)
    said = cli("run", path, "--out", "out", "--device", "cpu")
    assert said.code == 0, said.err
    assert "sizes: best first, by test.accuracy" in said.out
    table = said.out.partition("expected and measured")[2]
    assert "held" in table
    assert "not held" in table
    assert "comparison: out/comparison.html" in said.out
    kept = json.loads((place / "out" / "comparison.json").read_text())
    assert [one["held"] for one in kept["expectations"]] == [True, False]
    assert {one["name"] for one in kept["runs"]} == {"small", "large"}
    again = cli("compare", "out", "--json").json()
    assert again["expectations"] == kept["expectations"]
    shutil.rmtree(place / "out" / "sizes-small")
    left = cli("compare", "out", "--json").json()
    assert left["unfinished"] == ["sizes-small"]
    assert [one["held"] for one in left["expectations"]] == [None, None]


@pytest.mark.usefixtures("undrawn")
def test_a_missed_expectation_of_a_single_run_can_fail_it(cli, place: Path):
    said = '[[expect]]\nmetric = "accuracy"\ndifference = ["val", "test"]\nvalue = {}\ntolerance = 1\n'
    for name, value, code in (("kept", 0, 0), ("missed", 3, 1)):
        (place / f"{name}.toml").write_text((place / "tiny.toml").read_text() + said.format(value))
        answer = cli("run", f"{name}.toml", "--out", name, "--fail-on-claims", "--json", "--device", "cpu")
        assert answer.code == code
        assert [one["held"] for one in answer.json()["expectations"]] == [not code]
    assert cli("run", "missed.toml", "--out", "shown", "--device", "cpu").code == 0
    rehearsed = cli("run", "missed.toml", "--out", "rehearsed", "--rehearse", "--fail-on-claims", "--device", "cpu")
    assert rehearsed.code == 0
    assert "not checked" in rehearsed.out
