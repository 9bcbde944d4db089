from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from cellcls_mlflow import MLflow, cellcls_components

TINY = """
[dataset]
use = "synthetic"
images_per_class = 6
[split]
val = 0.2
test = 0.2
[input]
size = 32
[backbone]
use = "cnn5"
filters = [4]
[[stages]]
epochs = 2
"""


def run(place: Path, more: str, out: str = "out") -> subprocess.CompletedProcess[str]:
    (place / "tiny.toml").write_text(TINY + more)
    command = [sys.executable, "-m", "cellcls", "run", "tiny.toml", "--out", out]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)


CALLBACK = '[[callbacks]]\nuse = "mlflow"\nexperiment = "cells"\ntracking_uri = "{uri}"\n'


def test_it_is_offered_under_its_entry_point():
    (entry,) = entry_points(group="cellcls", name="mlflow")
    assert entry.load().cellcls_components() == cellcls_components() == [MLflow]


def test_listing_imports_no_mlflow():
    code = "import sys, cellcls_mlflow; sys.exit('mlflow' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
experiment = client.get_experiment_by_name("cells")
(run,) = client.search_runs([experiment.experiment_id])
history = {name: [[one.step, one.value] for one in client.get_metric_history(run.info.run_id, name)]
           for name in ("val.loss", "train.accuracy")}
files = [one.path for one in client.list_artifacts(run.info.run_id)]
print(json.dumps({"params": run.data.params, "history": history, "status": run.info.status, "files": files,
                  "metrics": run.data.metrics}))
"""


def test_a_run_is_logged_to_a_store_of_files(tmp_path: Path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    done = run(tmp_path, CALLBACK.format(uri=uri))
    assert done.returncode == 0, done.stderr
    assert "not logged" not in done.stderr
    read = subprocess.run([sys.executable, "-c", READ, uri], cwd=tmp_path, capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout.splitlines()[-1])
    lines = [json.loads(line) for line in (tmp_path / "out/history.jsonl").read_text().splitlines()]
    for name, logged in found["history"].items():
        assert logged == [[place, pytest.approx(line[name])] for place, line in enumerate(lines, 1)]
    assert found["params"]["dataset.images_per_class"] == "6"
    assert found["params"]["stages.0.optimizer.use"] == "adamw"
    assert found["status"] == "FINISHED"
    assert set(found["files"]) >= {"recipe.toml", "metrics.json"}
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert found["metrics"]["final.test.accuracy"] == metrics["evaluations"]["test"]["accuracy"]


def test_a_store_that_is_not_there_is_harmless(tmp_path: Path):
    done = run(tmp_path, CALLBACK.format(uri=f"sqlite:///{tmp_path}/tiny.toml/mlflow.db"))
    assert done.returncode == 0, done.stderr
    assert "mlflow: not logged" in done.stderr
    assert (tmp_path / "out/metrics.json").is_file()
