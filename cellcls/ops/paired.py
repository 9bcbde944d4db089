"""Two classifiers on the same images: how far apart they are, and whether that is more than noise."""

from __future__ import annotations

from math import sqrt

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.ops.metrics import wilson

Booleans = NDArray[np.bool_]


@attrs.frozen(kw_only=True)
class Paired:
    """Images by who named them right: both, only the first, only the second, neither."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def n(self) -> int:
        """Number of images."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second, -1..1. No images: 0."""
        return (self.first - self.second) / max(self.n, 1)


def paired(first: Booleans, second: Booleans) -> Paired:
    """Count the images (n,) that were named right by both, one or neither of two classifiers."""
    return Paired(
        both=int((first & second).sum()),
        first=int((first & ~second).sum()),
        second=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p that two classifiers are equally good (McNemar, Psychometrika 12, 1947).

    Under equality each image that only one of them named right is a toss of a coin. The smaller tail is doubled, and
    1 at most. No such image: 1.
    """
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    ways = total = 1
    for heads in range(fewer):
        ways = ways * (tosses - heads) // (heads + 1)
        total += ways
    return min(1.0, float(2 * total / 2**tosses))


def difference_interval(counts: Paired) -> tuple[float, float]:
    """Return the 95% interval of ``counts.difference`` (Newcombe, Statistics in Medicine 17, 1998, 2635-2650, method
    10: Wilson's intervals of both shares, joined by their correlation). No images: (-1, 1)."""
    n = counts.n
    if n == 0:
        return -1.0, 1.0
    share1, share2 = (counts.both + counts.first) / n, (counts.both + counts.second) / n
    low1, high1 = wilson(share1 * n, n)
    low2, high2 = wilson(share2 * n, n)
    phi = _correlation(counts)
    below = _joined(share1 - low1, high2 - share2, phi)
    above = _joined(high1 - share1, share2 - low2, phi)
    return max(-1.0, counts.difference - below), min(1.0, counts.difference + above)


def _joined(one: float, other: float, phi: float) -> float:
    return sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _correlation(counts: Paired) -> float:
    """Return phi, towards 0 by Newcombe's correction for continuity where it is positive; 0 where it is undefined."""
    right1, right2 = counts.both + counts.first, counts.both + counts.second
    product = right1 * (counts.n - right1) * right2 * (counts.n - right2)
    if product == 0:
        return 0.0
    excess = counts.both * counts.neither - counts.first * counts.second
    corrected = max(excess - counts.n / 2, 0.0) if excess > 0 else excess
    return corrected / sqrt(product)
