"""What is known of a figure by its name alone."""

from __future__ import annotations


def is_loss(metric: str) -> bool:
    """Tell whether a metric (``val.loss``) is a loss: best low, and no share. All others are shares, best high."""
    return metric.endswith("loss")
