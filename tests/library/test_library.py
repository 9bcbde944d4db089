"""cellcls as a library: the same as the commands, without a subprocess."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from PIL import Image

import cellcls
from cellcls import errors, report
from cellcls.cli import main
from cellcls.ops.rendering.cells import render
from cellcls.runs.records import EpochRecord, EvaluationRecord
from cellcls.testing import TINY

FACE = {
    "HistoryTable", "Prediction", "PredictionTable", "Run", "Runs", "Table", "audit", "check", "compare",
    "comparison_table", "errors", "evaluate", "list_plugins", "open_run", "predict", "resume", "run",
}  # fmt: skip
"""The public names: a change of this is a change of the contract."""


def recipe(folder: Path, **more: object) -> Path:
    path = folder / "tiny.toml"
    path.write_text(tomli_w.dumps({**TINY, **more}))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> cellcls.Run:
    folder = tmp_path_factory.mktemp("library")
    made = cellcls.run(recipe(folder), out=folder / "run", set={"seed": 7}, threads=1, quiet=True)
    assert isinstance(made, cellcls.Run)
    return made


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "write", lambda run: (run / "report.html").write_text("undrawn"))


def test_the_face_is_what_was_agreed() -> None:
    assert set(cellcls.__all__) == FACE
    assert list(cellcls.__all__) == sorted(cellcls.__all__)
    assert set(dir(cellcls)) >= FACE
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = cellcls.nonsense


def test_importing_it_imports_nothing() -> None:
    code = "import sys; before = set(sys.modules); import cellcls; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}
    assert imported == {"cellcls"}


def test_names_of_functions_survive_the_import_of_every_module() -> None:
    """A package ``cellcls.run`` would replace the function as soon as it is imported."""
    names = [
        module.name for module in pkgutil.walk_packages(cellcls.__path__, "cellcls.") if "template" not in module.name
    ]
    assert len(names) > 200
    for name in names:
        if name != "cellcls.__main__":
            import_module(name)
    for name in FACE - {"errors"}:
        assert callable(getattr(cellcls, name)), name
    assert cellcls.run.__module__ == "cellcls.library.functions"
    assert cellcls.audit.__module__ == "cellcls.library.functions"


def test_a_run_is_typed(trained: cellcls.Run) -> None:
    test = trained.metrics["test"]
    assert isinstance(test, EvaluationRecord)
    assert test.accuracy == json.loads((trained.folder / "metrics.json").read_text())["evaluations"]["test"]["accuracy"]
    assert isinstance(trained.history[0], EpochRecord)
    assert len(trained.history) == len(list(trained.history)) == 2
    assert "seed = 7" in (trained.folder / "recipe.toml").read_text()
    assert trained.report.is_file()


def test_a_notebook_shows_tables(trained: cellcls.Run) -> None:
    for shown in (trained, trained.history, trained.summary(), trained.predict(np.zeros((9, 9, 3), np.uint8))):
        assert shown._repr_html_().count("<tr>") >= 2
    assert "accuracy" in str(trained.summary())


def test_names_are_no_markup() -> None:
    assert "<b>" not in cellcls.Table([{"<b>x": "<script>"}])._repr_html_()


def test_predictions_are_the_commands(trained: cellcls.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = [render(label, 3, size=40).image for label in range(3)]
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image).save(file)
    with pytest.raises(SystemExit):
        main(["predict", str(trained.folder), *map(str, files), "--json"])
    said = json.loads(capsys.readouterr().out)
    for given in (files, [str(file) for file in files], images, np.stack(images), [files[0], images[1], files[2]]):
        found = trained.predict(given)
        assert [one.probabilities for one in found] == [row["probabilities"] for row in said]
        assert [one.label for one in found] == [row["predicted"] for row in said]
    assert [one.image for one in trained.predict(np.stack(images))] == ["array 0[0]", "array 0[1]", "array 0[2]"]
    assert [one.image for one in trained.predict([files[0], images[1]])] == [str(files[0]), "array 1"]
    gray = images[0].mean(2).astype(np.uint8)
    assert trained.predict(gray)[0] == trained.predict(np.repeat(gray[..., None], 3, 2))[0]


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4, 3)), np.zeros((2, 4, 4, 4), np.uint8), np.zeros(3, np.uint8), np.zeros((0, 4, 4, 3), np.uint8)],
)
def test_a_wrong_array_is_an_error_that_names_it(trained: cellcls.Run, array: np.ndarray) -> None:
    with pytest.raises(errors.DataError, match="array 0"):
        trained.predict(array)


def test_evaluating_explaining_and_comparing(trained: cellcls.Run, tmp_path: Path) -> None:
    for label, name in ((0, "basophil"), (5, "monocyte")):
        (tmp_path / "cells" / name).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(render(label, number + 900, size=32).image).save(
                tmp_path / "cells" / name / f"{number}.png"
            )
    found = trained.evaluate(tmp_path / "cells")
    assert (found.record.n, found.seen_in_training) == (8, 0)
    explained = trained.explain(tmp_path / "cells", images=4)
    assert explained.maps.maps.shape == (4, 32, 32)
    comparison = cellcls.compare([trained, trained.folder])
    assert comparison.best.record.name == "tiny"
    assert cellcls.comparison_table(comparison)[0]["run"] == "tiny"
    audited = cellcls.audit(tmp_path / "cells", quiet=True)
    assert len(audited.data) == 8
    cellcls.audit(tmp_path / "cells", out=tmp_path / "audit", quiet=True)
    assert (tmp_path / "audit" / "audit.html").is_file()
    for result in (found, explained, comparison, audited):  # a notebook prints the last line's, and no pixels of it
        assert len(repr(result)) < 4000
        assert "uint8" not in repr(result)


@pytest.mark.usefixtures("undrawn")
def test_several_runs_and_their_failures(tmp_path: Path) -> None:
    variants = {"small": {"backbone": {"filters": [4, 4]}}, "bad": {"loss": {"class_weights": [1.0]}}}
    runs = cellcls.run(recipe(tmp_path, variants=variants), out=tmp_path / "out", quiet=True)
    assert isinstance(runs, cellcls.Runs)
    assert [run.name for run in runs] == ["tiny-small"]
    assert runs.failed == {tmp_path / "out" / "tiny-bad": 78}
    assert "<table>" in runs._repr_html_()


def test_errors_are_raised_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = recipe(tmp_path)
    for call, error in (
        (lambda: cellcls.run(tmp_path / "no.toml", quiet=True), errors.MissingInputError),
        (lambda: cellcls.run(path, set={"nonsense": 1}, quiet=True), errors.CellclsError),
        (lambda: cellcls.run(path, set={"seed": None}, quiet=True), errors.UsageError),
        (lambda: cellcls.run([], quiet=True), errors.UsageError),
        (lambda: cellcls.open_run(tmp_path), errors.MissingInputError),
        (lambda: cellcls.compare([tmp_path]), errors.MissingInputError),
        (lambda: cellcls.resume(tmp_path, quiet=True), errors.MissingInputError),
        (lambda: cellcls.audit(tmp_path / "no", quiet=True), errors.MissingInputError),
    ):
        with pytest.raises(error):
            call()
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("undrawn")
def test_quiet_says_nothing_and_else_progress_is_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cellcls.run(recipe(tmp_path), out=tmp_path / "quiet", quiet=True)
    assert capfd.readouterr() == ("", "")
    cellcls.run(recipe(tmp_path), out=tmp_path / "said")
    out, err = capfd.readouterr()
    assert out == ""
    assert "epoch 1" in err


@pytest.mark.usefixtures("undrawn")
def test_it_works_in_a_thread(tmp_path: Path) -> None:
    """Signals can be taken over in the main thread only; a notebook's or a server's code may run in another."""
    made: list[object] = []
    work = threading.Thread(target=lambda: made.append(cellcls.run(recipe(tmp_path), out=tmp_path / "out", quiet=True)))
    work.start()
    work.join()
    assert isinstance(made[0], cellcls.Run)


def test_checking_says_what_a_run_would_be(tmp_path: Path) -> None:
    [checked] = cellcls.check(recipe(tmp_path), set={"train.batch_size": 4, "stages": [{"epochs": 3}]})
    assert checked.steps == 3 * checked.samples // 4


def test_plugins_are_listed() -> None:
    assert any("backbone cnn5" in row["offers"] for row in cellcls.list_plugins())
