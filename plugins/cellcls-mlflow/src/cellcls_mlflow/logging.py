"""What is logged, by MLflow's client: no run is active in this process, so nothing global is changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from cellcls.api import events
from cellcls.ops.files import write_json

KEPT = "mlflow.json"
"""In a run's folder: the number of its MLflow run."""
_LONGEST = 500
_ARTIFACTS = ("recipe.toml", "metrics.json", "history.jsonl")


def start(run: Path, experiment: str, uri: str | None) -> None:
    """Make an MLflow run with the settings as parameters, or go on with the one that was made before."""
    if not _first() or (run / KEPT).is_file():
        return
    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    made = client.create_run(number, run_name=run.name)
    recipe = tomli.loads((run / "recipe.toml").read_text(encoding="utf-8"))
    settings = [Param(key, str(value)[:_LONGEST]) for key, value in _flat(recipe)]
    for begin in range(0, len(settings), 100):  # the most a server takes at once
        client.log_batch(made.info.run_id, params=settings[begin : begin + 100])
    write_json(run / KEPT, {"run_id": made.info.run_id})


def log_epoch(run: Path, event: events.EpochEnded, uri: str | None) -> None:
    """Log an epoch's figures; its place is the number of lines that the run's history has."""
    if _first():
        history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
        _log(run, event.metrics, len(history), uri)


def end(run: Path, uri: str | None) -> None:
    """Log final figures and files."""
    if not _first():
        return
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    final = {
        f"final.{name}.{figure}": value
        for name, found in metrics["evaluations"].items()
        for figure, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    _log(run, final, 0, uri)
    client = MlflowClient(tracking_uri=uri)
    for name in _ARTIFACTS:
        if (run / name).is_file():
            client.log_artifact(_number(run), str(run / name))
    client.set_terminated(_number(run), "FINISHED")


def fail(run: Path, uri: str | None) -> None:
    """Mark the run as failed."""
    if _first():
        MlflowClient(tracking_uri=uri).set_terminated(_number(run), "FAILED")


def _log(run: Path, figures: Mapping[str, float], step: int, uri: str | None) -> None:
    found = [Metric(name, float(value), 0, step) for name, value in figures.items()]
    MlflowClient(tracking_uri=uri).log_batch(_number(run), metrics=found)


def _number(run: Path) -> str:
    return str(json.loads((run / KEPT).read_text(encoding="utf-8"))["run_id"])


def _first() -> bool:
    """Tell whether this is the process of torchrun that writes."""
    return os.environ.get("RANK", "0") == "0"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None or (isinstance(value, list) and not any(isinstance(one, dict) for one in value)):
        yield path, value
        return
    for key, item in items:
        yield from _flat(item, f"{path}.{key}" if path else str(key))
