"""Published baseline errors of MedMNIST-C for blood cells, and the error relative to them.

Di Salvo, Doerrich, Ledig: MedMNIST-C: Comprehensive benchmark and improved classifier robustness by simulating
realistic image corruptions, 2024 (arXiv 2406.17536); values from ``medmnistc`` 0.1.0, ``utils/baselines.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from types import MappingProxyType

ALEXNET_CLEAN = 0.01837
"""Balanced error (1 - balanced accuracy) of AlexNet on the clean test images."""

ALEXNET: Mapping[str, float] = MappingProxyType(
    {
        "pixelate": 0.05976,
        "jpeg": 0.13976,
        "defocus": 0.22400,
        "motion": 0.18452,
        "brightness_up": 0.06946,
        "brightness_down": 0.07901,
        "contrast_up": 0.05215,
        "contrast_down": 0.07966,
        "saturate": 0.03479,
        "stain_deposit": 0.18536,
        "bubble": 0.12899,
    }
)
"""Balanced error of AlexNet under each corruption, averaged over the five severities."""


def relative_balanced_error(corruption: str, errors: Sequence[float], clean: float) -> float:
    """Return the error added by a corruption, in percent of the error it adds to AlexNet (below 100 is better).

    ``errors``: balanced error (0..1) at each severity; ``clean``: on the clean images. The result may be negative; the
    metric of the suite is its mean over the corruptions. Raises ``KeyError`` for a corruption without a baseline.
    """
    return 100 * (fmean(errors) - clean) / (ALEXNET[corruption] - ALEXNET_CLEAN)
