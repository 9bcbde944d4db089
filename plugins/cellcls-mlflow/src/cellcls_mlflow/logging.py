"""What is logged, by MLflow's client: no run is active in this process, so nothing global is changed but for how long
the client waits."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import tomli
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from cellcls.ops.storage.files import write_json

KEPT = "mlflow.json"
"""In a run's folder: the number of its MLflow run, and what of it is logged."""
_LONGEST = 500
_AT_ONCE = 100
"""Settings that a server takes at once."""
_ARTIFACTS = ("recipe.toml", "metrics.json", "history.jsonl")
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
}
"""Seconds and tries; MLflow's own are 120 and 7, and training waits. What a person has set holds."""
for _name, _value in _PATIENCE.items():
    os.environ.setdefault(_name, _value)


@attrs.define
class Logged:
    """What of a run is in MLflow."""

    run_id: str
    settings: bool = False
    epochs: int = 0


@attrs.frozen
class Place:
    """Where a run is logged."""

    run: Path
    experiment: str
    uri: str | None

    @property
    def client(self) -> MlflowClient:
        """A client, which holds no connection."""
        return MlflowClient(tracking_uri=self.uri)

    def log(self) -> Logged:
        """Log what of the settings and epochs is not there yet: all that a server which was away has missed."""
        client, logged = self.client, self.kept() or self._new()
        if not logged.settings:
            recipe = tomli.loads((self.run / "recipe.toml").read_text(encoding="utf-8"))
            settings = [Param(key, str(value)[:_LONGEST]) for key, value in _flat(recipe)]
            for begin in range(0, len(settings), _AT_ONCE):
                client.log_batch(logged.run_id, params=settings[begin : begin + _AT_ONCE])
            logged.settings = True
            self._keep(logged)
        history = self.run / "history.jsonl"
        lines = history.read_text(encoding="utf-8").splitlines() if history.exists() else []
        for place, line in enumerate(lines[logged.epochs :], logged.epochs + 1):
            metrics = {name: value for name, value in json.loads(line).items() if "." in name}
            client.log_batch(logged.run_id, metrics=_metrics(metrics, place))
            logged.epochs = place
            self._keep(logged)
        return logged

    def go_on(self) -> None:
        """Log as ``log`` does, and take back that an earlier process had ended MLflow's run."""
        self.client.update_run(self.log().run_id, status="RUNNING")

    def end(self) -> None:
        """Log final metrics and files, and end MLflow's run."""
        number, client = self.log().run_id, self.client
        metrics = json.loads((self.run / "metrics.json").read_text(encoding="utf-8"))
        final = {
            f"final.{name}.{figure}": value
            for name, found in metrics["evaluations"].items()
            for figure, value in found.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        client.log_batch(number, metrics=_metrics(final, 0))
        for name in _ARTIFACTS:
            if (self.run / name).is_file():
                client.log_artifact(number, str(self.run / name))
        client.set_terminated(number, "FINISHED")

    def fail(self) -> None:
        """Mark MLflow's run as failed."""
        self.client.set_terminated(self.log().run_id, "FAILED")

    def kept(self) -> Logged | None:
        """Return what is logged; None before MLflow's run is made."""
        file = self.run / KEPT
        return Logged(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def _keep(self, logged: Logged) -> None:
        write_json(self.run / KEPT, attrs.asdict(logged))

    def _new(self) -> Logged:
        logged = Logged(self.client.create_run(self._experiment(), run_name=self.run.name).info.run_id)
        self._keep(logged)
        return logged

    def _experiment(self) -> str:
        client = self.client
        found = client.get_experiment_by_name(self.experiment)
        if found is None:
            try:
                return str(client.create_experiment(self.experiment, _files_beside(self.uri)))
            except MlflowException:  # a run beside this one may have made it
                found = client.get_experiment_by_name(self.experiment)
                if found is None:
                    raise
        return str(found.experiment_id)


def _files_beside(uri: str | None) -> str | None:
    """Return where an experiment's files go: beside a database in a file, where MLflow would take the working folder;
    None: where the server keeps them."""
    if uri is None or not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts").as_uri()


def _metrics(values: Mapping[str, float], step: int) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, step) for name, value in values.items()]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or (isinstance(value, list) and not any(isinstance(item, dict) for item in value)):
        yield path, value
        return
    for key, item in items:
        yield from _flat(item, f"{path}.{key}" if path else str(key))
