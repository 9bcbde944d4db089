"""From where on something counts as a fault, where nobody says else: for the audit, the cleaners and their searches.

They stand here, without numpy, as a component's fields are read by every listing of plugins.
"""

from __future__ import annotations

SIMILARITY = 0.82
"""From which correlation of details on two pictures count as near copies. Of 11,952 real cells no two different ones
reach it, and 97 of 100 planted copies do (``benchmarks/audit_copies.py``)."""

MAX_DISTANCE = 4.5
"""How many robust standard deviations of the logarithm of the distance above the median are far away."""
