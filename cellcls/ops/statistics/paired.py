"""Comparison of two classifiers on the same images: their difference, its interval and its p-value.

An image seen once is a toss of a coin (``Paired``: McNemar, Newcombe). Copies of an image, under several corruptions
say, are not independent: they are added up and the image is counted once (``Repeated``: sign flips, bootstrap).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import sqrt

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.ops.statistics.metrics import RESAMPLES, wilson

Booleans = NDArray[np.bool_]


@attrs.frozen(kw_only=True)
class Paired:
    """Numbers of images classified correctly by both classifiers, only the first, only the second, and neither."""

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
        """Accuracy of the first minus that of the second, -1..1; 0 without images."""
        return (self.first - self.second) / max(self.n, 1)

    @property
    def p(self) -> float:
        """The exact p-value of McNemar's test."""
        return mcnemar(self.first, self.second)

    @property
    def interval(self) -> tuple[float, float]:
        """Newcombe's 95% interval of ``difference``."""
        return difference_interval(self)


@attrs.frozen(kw_only=True, slots=False)
class Repeated:
    """Results on several copies of each image, the same for both classifiers."""

    differences: tuple[int, ...]
    """For each image: how often only the first was right, minus how often only the second was."""
    seen: Paired
    """The counts of all copies."""

    @property
    def n(self) -> int:
        """Number of images, not of copies."""
        return len(self.differences)

    @property
    def first(self) -> int:
        """Number of copies that only the first classified correctly."""
        return self.seen.first

    @property
    def second(self) -> int:
        """Number of copies that only the second classified correctly."""
        return self.seen.second

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second over all copies, -1..1; 0 without images."""
        return self.seen.difference

    @cached_property
    def p(self) -> float:
        """The exact p-value of ``sign_flip``."""
        return sign_flip(self.differences)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95% interval of ``difference``: the paired bootstrap over images."""
        return bootstrap_interval(self)


def paired(first: Booleans, second: Booleans) -> Paired:
    """Count the images that both, one or neither of two classifiers got right. ``first``, ``second`` (n,)."""
    return Paired(
        both=int((first & second).sum()),
        first=int((first & ~second).sum()),
        second=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def repeated(first: Booleans, second: Booleans) -> Repeated:
    """Count the copies of images that two classifiers got right. ``first``, ``second`` (n, copies)."""
    differences = (first.astype(np.int64) - second).sum(1)
    return Repeated(differences=tuple(differences.tolist()), seen=paired(first, second))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test of two classifiers (Psychometrika 12, 1947).

    Under the null hypothesis, each image that only one of them got right is the toss of a fair coin. The smaller tail
    is doubled, up to 1. Without such images: 1.
    """
    tosses, fewer = only_first + only_second, min(only_first, only_second)
    ways = total = 1
    for heads in range(fewer):
        ways = ways * (tosses - heads) // (heads + 1)
        total += ways
    return min(1.0, float(2 * total / 2**tosses))


def sign_flip(differences: Sequence[int]) -> float:
    """Return the exact two-sided p-value that two classifiers are equally good, from an integer per image (n,).

    Under the null hypothesis, each image's difference is equally likely to have the other sign, however dependent its
    copies are: Fisher's paired randomisation test (The Design of Experiments, 1935, section 21), over all 2^n signs.
    The smaller tail is doubled, up to 1. Differences of -1, 0 and 1 give McNemar's exact p; all 0, or no images: 1.
    """
    sizes = [abs(difference) for difference in differences if difference]
    chance = np.zeros(sum(sizes) + 1)  # probability of each sum of the differences of one sign
    chance[0] = 1
    for size in sizes:
        half = chance / 2
        chance = half.copy()
        chance[size:] += half[:-size]
    less = min(
        sum(difference for difference in differences if difference > 0),
        -sum(difference for difference in differences if difference < 0),
    )
    return min(1.0, 2 * float(chance[: less + 1].sum()))


def bootstrap_interval(counts: Repeated, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of ``counts.difference``: percentiles of resampled images, each with all its copies
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

    A resample is one draw of a multinomial over the distinct differences. If all images have the same difference, it
    has no width; then Newcombe's interval is used, with copies counted once. Without images: (-1, 1).
    """
    values, images = np.unique(np.array(counts.differences, dtype=np.int64), return_counts=True)
    n, copies = counts.n, counts.seen.n // max(counts.n, 1)
    if len(values) < 2:
        return difference_interval(counts.seen, copies=max(copies, 1))
    drawn = np.random.default_rng(seed).multinomial(n, images / n, size=RESAMPLES) @ values
    low, high = np.quantile(drawn / (n * copies), [0.025, 0.975])
    return float(low), float(high)


def difference_interval(counts: Paired, copies: int = 1) -> tuple[float, float]:
    """Return the 95% interval of ``counts.difference`` (Newcombe, Statistics in Medicine 17, 1998, 2635-2650, method
    10: Wilson's intervals of both shares, joined by their correlation). No images: (-1, 1).

    ``copies``: how often each image was counted; the interval counts it once.
    """
    if counts.n == 0:
        return -1.0, 1.0
    n = counts.n / copies
    share1, share2 = (counts.both + counts.first) / counts.n, (counts.both + counts.second) / counts.n
    low1, high1 = wilson(share1 * n, n)
    low2, high2 = wilson(share2 * n, n)
    phi = _correlation(counts)
    below = _joined(share1 - low1, high2 - share2, phi)
    above = _joined(high1 - share1, share2 - low2, phi)
    return max(-1.0, counts.difference - below), min(1.0, counts.difference + above)


def _joined(first: float, second: float, phi: float) -> float:
    return sqrt(max(0.0, first * first - 2 * phi * first * second + second * second))


def _correlation(counts: Paired) -> float:
    """Return phi, with Newcombe's continuity correction if it is positive; 0 if it is undefined."""
    right1, right2 = counts.both + counts.first, counts.both + counts.second
    product = right1 * (counts.n - right1) * right2 * (counts.n - right2)
    if product == 0:
        return 0.0
    excess = counts.both * counts.neither - counts.first * counts.second
    corrected = max(excess - counts.n / 2, 0.0) if excess > 0 else excess
    return corrected / sqrt(product)
