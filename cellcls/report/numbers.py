"""Formats numbers, the same way in the terminal and on every page."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from cellcls.ops.statistics.table import metric_of

NOTHING = "–"
"""Shown where a value is unknown."""


def percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    """Write a share in 0..1 as ``97.4%``, with its interval as ``97.4% [96.1, 98.3]``."""
    if value is None or not isfinite(value):
        return NOTHING
    if interval is None:
        return "<0.1%" if 0 < value < 0.0005 else f"{value:.1%}"
    low, high = interval
    return f"{value:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def metric_text(name: str, value: float | None, interval: Sequence[float] | None = None) -> str:
    """Write a metric by its dotted name: a share in percent, everything else as a decimal."""
    metric = metric_of(name)
    if metric is not None and metric.unit == "share":
        return percent(value, interval)
    return decimal(value)


def decimal(value: float | None) -> str:
    """Write a value with four decimals: ``0.9739``."""
    return NOTHING if value is None or not isfinite(value) else f"{value:.4f}"


def count(value: int | None) -> str:
    """Write a count with separators: ``11,951``."""
    return NOTHING if value is None else f"{value:,}"


def short(value: float | None) -> str:
    """Write a large count in three digits: ``3.37 million``."""
    if value is None:
        return NOTHING
    for size, unit in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def milliseconds(seconds: float | None) -> str:
    """Write seconds as milliseconds in three digits: ``0.43 ms``."""
    return NOTHING if seconds is None or not isfinite(seconds) else f"{1000 * seconds:.3g} ms"


def duration(seconds: float) -> str:
    """Write a time in its two largest units: ``3 min 20 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plain(name: str) -> str:
    """Return the name of a class or a metric with spaces: ``immature granulocyte``."""
    return name.replace("_", " ")


def is_remote(evaluation: str) -> bool:
    """Return whether an evaluation imitates the challenge's hidden, corrupted test set."""
    return evaluation.startswith("remote")


def starred(evaluation: str) -> str:
    """Return the name of an evaluation, with an asterisk if it imitates the hidden test set: ``remote*``."""
    return f"{evaluation}*" if is_remote(evaluation) else evaluation
