"""One run from its plan to its report, and what is left of one that fails."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from cellcls import report
from cellcls.engine import train
from cellcls.errors import DataError, ExitCode, InterruptedRunError, UsageError
from cellcls.execution.single import make_run, plan_run, resume_run
from cellcls.recipe import load
from cellcls.runs.folder import RunFolder
from cellcls.runs.inputs import Inputs
from cellcls.runs.options import Options, kept_options

from .conftest import trained


@pytest.fixture
def inputs(loaded) -> Inputs:
    return Inputs(recipe=loaded()[0].recipe, path=None)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose report was drawn."""
    found: list[Path] = []
    monkeypatch.setattr(report, "write", found.append)
    return found


def test_a_plan_is_enough_to_go_on(place: Path, inputs: Inputs, registry) -> None:
    folder = plan_run(place / "out", inputs, Options(device="cpu", threads=3))
    assert load(folder.recipe, registry)[0].recipe == inputs.recipe
    assert kept_options(folder, Options()) == Options(device="cpu", threads=3)
    assert kept_options(folder, Options(threads=1)).threads == 1
    with pytest.raises(UsageError, match="nothing is overwritten"):
        plan_run(place / "out", inputs, Options())


def test_a_run_that_was_killed_while_it_was_planned_is_planned_again(place: Path, inputs: Inputs) -> None:
    plan_run(place / "out", inputs, Options()).recipe.unlink()
    assert plan_run(place / "out", inputs, Options(), half_planned=True).is_run


def test_a_run_is_watched_event_by_event_and_drawn_at_its_end(
    place: Path, inputs: Inputs, context, drawn: list[Path], monkeypatch
) -> None:
    def run(job):
        yield "first"
        assert drawn == []
        trained(job.folder.path, 7)
        yield "last"

    seen = []
    monkeypatch.setattr(train, "run", run)
    watched = attrs.evolve(context, output=attrs.evolve(context.output, progress=lambda: _Noting(seen)))
    folder = plan_run(place / "out", inputs, Options())
    result = make_run(inputs, folder, watched)
    assert seen == ["opened", "first", "last", "closed"]
    assert drawn == [place / "out"]
    assert result.metrics.evaluations["test"].accuracy == 0.7


class _Noting:
    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    def __enter__(self):
        self.seen.append("opened")
        return self.seen.append

    def __exit__(self, *_error: object) -> None:
        self.seen.append("closed")


def _failing(error: Exception):
    def run(_job):
        raise error
        yield

    return run


def test_a_run_that_fails_before_its_first_state_leaves_nothing(
    place: Path, inputs: Inputs, context, monkeypatch, drawn
) -> None:
    monkeypatch.setattr(train, "run", _failing(DataError("no images")))
    with pytest.raises(DataError):
        make_run(inputs, plan_run(place / "out", inputs, Options()), context)
    assert not (place / "out").exists()
    assert drawn == []


def test_a_run_that_an_earlier_call_began_stays(place: Path, inputs: Inputs, context, monkeypatch) -> None:
    plan_run(place / "out", inputs, Options())
    monkeypatch.setattr(train, "run", _failing(DataError("no images")))
    with pytest.raises(DataError):
        resume_run(RunFolder(place / "out"), context)
    assert RunFolder(place / "out").is_run


def test_a_stopped_run_stays_and_says_how_to_go_on(place: Path, inputs: Inputs, context, monkeypatch) -> None:
    monkeypatch.setattr(train, "run", _failing(InterruptedRunError("stopped", code=ExitCode.INTERRUPTED)))
    with pytest.raises(InterruptedRunError) as stopped:
        make_run(inputs, plan_run(place / "out", inputs, Options()), context)
    assert stopped.value.hints == (f"to resume: cellcls run --resume {place}/out",)
    assert RunFolder(place / "out").is_run


def test_a_complete_run_is_tidied_and_drawn_once(place: Path, context, drawn: list[Path]) -> None:
    trained(place / "out")
    folder = RunFolder(place / "out")
    folder.state.mkdir()
    folder.saved.write_bytes(b"state")
    assert resume_run(folder, context).metrics.complete
    assert (drawn, folder.state.exists()) == ([], False)
    folder.report.unlink()
    resume_run(folder, context)
    assert drawn == [place / "out"]
