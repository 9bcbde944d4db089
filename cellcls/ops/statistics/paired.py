"""Two classifiers on the same images: how far apart they are, and whether that is more than noise.

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

    @property
    def p(self) -> float:
        """McNemar's exact p."""
        return mcnemar(self.first, self.second)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of ``difference``, Newcombe's."""
        return difference_interval(self)


@attrs.frozen(kw_only=True, slots=False)
class Repeated:
    """Images that were each seen several times, under the same conditions by both classifiers."""

    differences: tuple[int, ...]
    """Of each image: how often only the first named it right, less how often only the second did."""
    seen: Paired
    """All that was seen, each copy counted for itself."""

    @property
    def n(self) -> int:
        """Number of images, each counted once."""
        return len(self.differences)

    @property
    def first(self) -> int:
        """Copies that only the first named right."""
        return self.seen.first

    @property
    def second(self) -> int:
        """Copies that only the second named right."""
        return self.seen.second

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second over all copies, -1..1. No images: 0."""
        return self.seen.difference

    @cached_property
    def p(self) -> float:
        """The exact p of ``sign_flip``."""
        return sign_flip(self.differences)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95% interval of ``difference``: the paired bootstrap over images."""
        return bootstrap_interval(self)


def paired(first: Booleans, second: Booleans) -> Paired:
    """Count the images (n,) that were named right by both, one or neither of two classifiers."""
    return Paired(
        both=int((first & second).sum()),
        first=int((first & ~second).sum()),
        second=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def repeated(first: Booleans, second: Booleans) -> Repeated:
    """Count images (n, times) that two classifiers named right or not, each seen several times."""
    differences = (first.astype(np.int64) - second).sum(1)
    return Repeated(differences=tuple(differences.tolist()), seen=paired(first, second))


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


def sign_flip(differences: Sequence[int]) -> float:
    """Return the two-sided exact p that two classifiers are equally good, from a whole difference of each image (n,).

    Under equality each image's difference may as well have the other sign, whatever ties its copies together: Fisher's
    paired randomisation test (The Design of Experiments, 1935, section 21), over all 2^n signs. The smaller tail is
    doubled, and 1 at most. Differences of -1, 0 and 1 give McNemar's exact p; all 0, or no images: 1.
    """
    sizes = [abs(one) for one in differences if one]
    chance = np.zeros(sum(sizes) + 1)  # of each sum that the differences of one sign may have
    chance[0] = 1
    for size in sizes:
        half = chance / 2
        chance = half.copy()
        chance[size:] += half[:-size]
    less = min(sum(one for one in differences if one > 0), -sum(one for one in differences if one < 0))
    return min(1.0, 2 * float(chance[: less + 1].sum()))


def bootstrap_interval(counts: Repeated, seed: int = 0) -> tuple[float, float]:
    """Return the 95% interval of ``counts.difference``: percentiles of resampled images, each with all its copies
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

    A resample is one draw of a multinomial over the differences there are. Where all images have the same one it has no
    width: there Newcombe's interval is used, as if copies told nothing new. No images: (-1, 1).
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
