from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cellcls.api import events
from cellcls.errors import StoppedError
from cellcls.testing import TINY, ComponentTests, command, run_recipe, write_recipe
from cellcls_mlflow import MLflow, cellcls_components

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's libraries warn of one another


def store(folder: Path) -> dict[str, Any]:
    return {"experiment": "cells", "tracking_uri": f"sqlite:///{folder}/mlflow.db"}


class TestComponents(ComponentTests):
    plugin = "cellcls_mlflow"
    examples: ClassVar[Mapping[str, Any]] = {"callback mlflow": store}


def logging_to(uri: str) -> dict[str, Any]:
    return {**TINY, "callbacks": [{"use": "mlflow", "experiment": "cells", "tracking_uri": uri}]}


def found(uri: str) -> list[Any]:
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("cells")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def curve(uri: str, number: str, name: str) -> list[tuple[int, float]]:
    client = MlflowClient(tracking_uri=uri)
    return [(one.step, one.value) for one in client.get_metric_history(number, name)]


def written(run: Path, name: str) -> list[tuple[int, Any]]:
    lines = (run / "history.jsonl").read_text().splitlines()
    return [(place, pytest.approx(json.loads(line)[name])) for place, line in enumerate(lines, 1)]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="mlflow")
    assert entry.load().cellcls_components() == cellcls_components() == [MLflow]


def test_listing_imports_no_mlflow():
    code = "import sys, cellcls_mlflow; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_run_is_logged_with_settings_epochs_and_end(tmp_path: Path, uri: str):
    before = time.time() * 1000
    run_recipe(logging_to(uri), tmp_path / "out")
    (logged,) = found(uri)
    for name in ("val.loss", "train.accuracy"):
        assert curve(uri, logged.info.run_id, name) == written(tmp_path / "out", name)
    assert logged.data.params["dataset.images_per_class"] == "4"
    assert logged.data.params["stages.0.optimizer.use"] == "adamw"
    assert logged.info.status == "FINISHED"
    client = MlflowClient(tracking_uri=uri)
    assert logged.info.artifact_uri.startswith((tmp_path / "mlartifacts").as_uri())  # and not the working folder
    assert {one.path for one in client.list_artifacts(logged.info.run_id)} >= {"recipe.toml", "metrics.json"}
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert logged.data.metrics["final.test.accuracy"] == metrics["evaluations"]["test"]["accuracy"]
    for point in client.get_metric_history(logged.info.run_id, "val.loss"):
        assert before < point.timestamp < time.time() * 1000


def test_a_run_that_was_stopped_goes_on_in_the_same_mlflow_run(tmp_path: Path, uri: str):
    stopped = run_recipe(logging_to(uri), tmp_path / "run", stop_after=3)
    (logged,) = found(uri)
    assert logged.info.status == "FAILED"
    assert len(curve(uri, logged.info.run_id, "val.loss")) == 1
    run_recipe(logging_to(uri), tmp_path / "run")
    (again,) = found(uri)
    assert (again.info.run_id, again.info.status) == (logged.info.run_id, "FINISHED")
    assert curve(uri, again.info.run_id, "val.loss") == written(stopped, "val.loss")


def test_a_run_that_fails_is_marked(tmp_path: Path, uri: str):
    optimizer = {"use": "sgd", "lr": 1e30}
    recipe = {**logging_to(uri), "stages": [{**TINY["stages"][0], "optimizer": optimizer}]}
    with pytest.raises(StoppedError, match="the loss became"):
        run_recipe(recipe, tmp_path / "run")
    (logged,) = found(uri)
    assert logged.info.status == "FAILED"


class View:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "recipe.toml").write_text("seed = 1\n")


STARTED = events.RunStarted(folder=Path(), train=1, val=1, test=1, parameters=1, device="cpu", resumed=False)


def test_two_at_once_make_one_experiment(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch):
    MlflowClient(tracking_uri=uri).search_experiments()  # the tables are there
    both = threading.Barrier(2)
    ask = MlflowClient.get_experiment_by_name

    def together(self: MlflowClient, name: str) -> Any:
        answer = ask(self, name)
        if answer is None:
            both.wait(20)
        return answer

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", together)
    callback = MLflow(experiment="cells", tracking_uri=uri)
    views = [View(tmp_path / name) for name in ("one", "two")]
    threads = [threading.Thread(target=callback.run_started, args=(STARTED, view)) for view in views]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert {one.info.run_name for one in found(uri)} == {"one", "two"}


def test_what_a_store_that_was_away_has_missed_is_logged_later(tmp_path: Path, uri: str):
    view, line = View(tmp_path / "one"), json.dumps({"epoch": 0, "val.loss": 0.5})
    callback = MLflow(experiment="cells", tracking_uri=f"sqlite:///{tmp_path}/away/mlflow.db")
    ended = events.EpochEnded(stage=0, epoch=0, metrics={}, best=True, seconds=1.0)
    (tmp_path / "away").write_text("in its place")
    for number in (1, 2):
        (view.folder / "history.jsonl").write_text(f"{line}\n" * number)
        with pytest.raises(Exception, match=r"unable to open database file|away"):
            callback.epoch_ended(ended, view)  # type: ignore[arg-type]
    (tmp_path / "away").unlink()
    (tmp_path / "away").mkdir()
    callback.epoch_ended(ended, view)  # type: ignore[arg-type]
    (logged,) = found(callback.tracking_uri or "")
    assert curve(callback.tracking_uri or "", logged.info.run_id, "val.loss") == [(1, 0.5), (2, 0.5)]


def test_a_server_that_does_not_answer_is_tried_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tried: list[object] = []

    def refused(address: tuple[str, int], *_args: object, **_more: object) -> None:
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", refused)
    monkeypatch.setattr("urllib3.util.retry.Retry.sleep", lambda *_args: None)
    with pytest.raises(MlflowException):
        MLflow(tracking_uri="http://127.0.0.1:1").run_started(STARTED, View(tmp_path / "one"))  # type: ignore[arg-type]
    assert tried == [("127.0.0.1", 1)] * 2, "MLflow's own patience is eight tries"


def test_a_library_that_cannot_be_imported_is_harmless(tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/mlflow.py").write_text("raise ImportError('half installed')")
    write_recipe(tmp_path / "tiny.toml", logging_to("sqlite:///x.db"))
    path = os.pathsep.join([str(tmp_path / "broken"), *sys.path])
    done = command("run", "tiny.toml", "--out", "out", cwd=tmp_path, PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    assert "mlflow: not logged, and the run goes on: ImportError: half installed" in done.stderr
    assert not list(tmp_path.glob("cellcls-crash*"))
