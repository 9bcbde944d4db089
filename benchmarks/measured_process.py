"""A process timed from outside: seconds, and the most memory it ever held (VmHWM, Linux)."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def timed(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run a command; return its seconds, peak memory and last line. Raises ``RuntimeError`` when it fails."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(map(str, command)), stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_mb(process.pid))
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {err.read()[-500:]}")
        lines = out.read().strip().splitlines()
    return {"seconds": seconds, "peak_mb": peak, "said": lines[-1] if lines else ""}


def peak_mb(process: int) -> float:
    """Return the most memory a process ever held, in millions of bytes (0: it has ended)."""
    try:
        return int(Path(f"/proc/{process}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
    except (OSError, IndexError):
        return 0.0


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of the seconds, and of all runs the largest peak."""
    return {
        **runs[-1],
        "seconds": round(statistics.median(run["seconds"] for run in runs), 2),
        "all_seconds": [round(run["seconds"], 2) for run in runs],
        "peak_mb": round(max(run["peak_mb"] for run in runs)),
    }


def power(rows: Sequence[dict[str, Any]], name: str) -> float | None:
    """Return the power of the number of images that ``name`` grew with between the last two rows (None: too few)."""
    if len(rows) < 2 or not min(row[name] for row in rows[-2:]):
        return None
    before, last = rows[-2:]
    return math.log(last[name] / before[name]) / math.log(last["images"] / before["images"])


def estimate(rows: Sequence[dict[str, Any]], name: str, to: int = 1_000_000) -> float | None:
    """Extrapolate ``name`` by that power (None: fewer than two rows)."""
    grown = power(rows, name)
    return None if grown is None else round(rows[-1][name] * (to / rows[-1]["images"]) ** grown)
