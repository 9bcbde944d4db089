"""When two runs are equal: weights, metrics and history without times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

TIMES = {"seconds", "seconds_per_image", "memory_mb"}


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def assert_equal_runs(one: Path, other: Path) -> None:
    weights = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert weights == sorted(path.relative_to(other) for path in other.rglob("*.safetensors"))
    assert len(weights) >= 3
    for name in weights:
        left, right = load_file(one / name), load_file(other / name)
        assert left.keys() == right.keys()
        for key, tensor in left.items():
            assert tensor.tobytes() == right[key].tobytes(), f"{name}: {key}"
    for name in ("metrics.json", "data.json"):
        assert without_times(json.loads((one / name).read_text())) == without_times(
            json.loads((other / name).read_text())
        )
    lines = [[json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()] for run in (one, other)]
    assert without_times(lines[0]) == without_times(lines[1])
