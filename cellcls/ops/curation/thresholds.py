"""Default thresholds of the audit and the cleaners, without importing numpy, so that listing plugins is fast."""

from __future__ import annotations

SIMILARITY = 0.82
"""Minimum correlation of details of near copies. Of 11,952 real cells no two different ones reach it, and 97 of 100
planted copies do (``benchmarks/audit_copies.py``)."""

MAX_DISTANCE = 4.5
"""Number of robust standard deviations above the median from which the logarithm of a distance is far away."""
