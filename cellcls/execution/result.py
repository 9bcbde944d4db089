"""The result of a run."""

from __future__ import annotations

from pathlib import Path

import attrs

from cellcls.runs.folder import RunFolder
from cellcls.runs.records import MetricsRecord, file_data, read


@attrs.frozen(kw_only=True)
class RunResult:
    """The result of a run: its folder, the exit code that it would have by itself, and its metrics."""

    folder: Path
    exit_code: int = 0
    metrics: MetricsRecord | None = None
    """None if it failed, and in all processes of torchrun but the first."""

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data; the metrics as in ``metrics.json``."""
        metrics = None if self.metrics is None else file_data(self.metrics)
        return {"run": str(self.folder), "exit_code": int(self.exit_code), "metrics": metrics}


def result_of(folder: RunFolder) -> RunResult:
    """Return the result of a complete run."""
    return RunResult(folder=folder.path, metrics=read(folder.metrics, MetricsRecord))


def failed(path: Path, code: int) -> RunResult:
    """Return the result of a run that failed."""
    return RunResult(folder=path, exit_code=int(code))
