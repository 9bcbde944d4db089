"""Finished run folders written by hand: as little of one as a comparison reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from cellcls.ops.statistics.metrics import confusion_matrix, summary
from cellcls.runs.records import EvaluationRecord, to_data

CLASSES = ["basophil", "monocyte"]
GOOD, FAIR, POOR = [1] * 38 + [0] * 2, [1] * 36 + [0] * 4, [0] * 20 + [1] * 12 + [0] * 8
"""Which of forty images a run names right."""


def write_small_run(
    folder: Path,
    right: dict[str, list[int] | list[list[int]]],
    *,
    name: str | None = None,
    seed: int = 42,
    data: str = "3fb1",
    first: int = 0,
    rehearsal: bool = False,
    complete: bool = True,
    evaluate: list[dict[str, Any]] | None = None,
    counts: dict[str, Any] | None = None,
    select: float = 0.5,
    claims: list[dict[str, Any]] | None = None,
    copies: int = 0,
) -> Path:
    """Write a run of two classes. ``right``: of each evaluation, 1 for an image named right and 0 for one that was not,
    or a list of them for each condition; images are numbered from ``first``. ``select``: ``val.accuracy`` of its best
    epoch. ``copies``: drawn of each class in each epoch, beside its 20 images."""
    folder.mkdir(parents=True)
    name = name or folder.name
    evaluations = {}
    for evaluation, marks in right.items():
        hits = np.atleast_2d(np.array(marks, bool))
        conditions, images = hits.shape
        label = np.tile(np.arange(images) % 2, conditions)
        predicted = np.where(hits.ravel(), label, 1 - label)
        (folder / "predictions").mkdir(exist_ok=True)
        np.savez(
            folder / "predictions" / f"{evaluation}.npz",
            index=np.tile(np.arange(images) + first, conditions),
            label=label,
            probabilities=np.eye(2, dtype=np.float32)[predicted],
            **({"condition": np.repeat(np.arange(conditions), images)} if conditions > 1 else {}),
        )
        found = summary(confusion_matrix(label, predicted, 2), repeats=conditions)
        evaluations[evaluation] = EvaluationRecord(
            part=evaluation if evaluation in ("train", "val") else "test",
            n=found.n,
            classes=tuple(CLASSES),
            values={**found.values, "loss": 0.4},
            intervals=found.intervals,
            per_class=dict(zip(CLASSES, found.per_class, strict=True)),
            confusion=found.confusion,
            seconds_per_image=0.001,
        )
    listed = evaluate or [{"name": one} for one in right]
    recipe = {"name": name, "seed": seed, "train": {"select": "val.accuracy"}, "evaluate": listed}
    (folder / "recipe.toml").write_text(tomli_w.dumps(recipe))
    metrics = {
        "name": name,
        "seed": seed,
        "rehearsal": rehearsal,
        "complete": complete,
        "parameters": 1000,
        "train_running": {"accuracy": 0.8, "loss": 0.3},
        "evaluations": {name: to_data(record) for name, record in evaluations.items()},
        "claims": claims or [],
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "data.json").write_text(json.dumps({"hash": data, "classes": CLASSES, "n": 50, "counts": counts or {}}))
    drawn = {"drawn": dict.fromkeys(CLASSES, 20 + copies), "copies": dict.fromkeys(CLASSES, copies)}
    epoch = {"stage": 0, "stage_name": "1", "seconds": 1.5, "train.loss": 0.9} | drawn
    lines = [
        epoch | {"epoch": number, "best": value == select, "val.accuracy": value, "val.loss": 1 - value}
        for number, value in enumerate((select - 0.1, select, select - 0.2))
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
