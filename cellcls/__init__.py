"""Telling blood cells apart under a microscope, reproducibly: every experiment is one recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellcls import errors
    from cellcls.library.functions import audit, check, compare, list_plugins, open_run, resume, run
    from cellcls.library.handles import Run, Runs
    from cellcls.library.table import HistoryTable, Prediction, PredictionTable, Table, comparison_table
    from cellcls.library.using import evaluate, predict

__all__ = [
    "HistoryTable",
    "Prediction",
    "PredictionTable",
    "Run",
    "Runs",
    "Table",
    "audit",
    "check",
    "compare",
    "comparison_table",
    "errors",
    "evaluate",
    "list_plugins",
    "open_run",
    "predict",
    "resume",
    "run",
]


_FROM = {
    "functions": ("audit", "check", "compare", "list_plugins", "open_run", "resume", "run"),
    "handles": ("Run", "Runs"),
    "table": ("HistoryTable", "Prediction", "PredictionTable", "Table", "comparison_table"),
    "using": ("evaluate", "predict"),
}
"""The modules of ``cellcls.library`` that the names come from; they are imported when one is asked for."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "errors":
        return import_module("cellcls.errors")
    module = next((module for module, names in _FROM.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"cellcls.library.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
