"""Values of a search's settings: drawn, or one after another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cellcls.api import Choice

Value = bool | int | float | str


def drawn(space: Mapping[str, Choice], *, seed: int, number: int) -> dict[str, Value]:
    """Return one value of each setting, evenly distributed (over the logarithm where the choice says so)."""
    rng = np.random.default_rng([seed, number])
    return {key: _at(choice, float(rng.random())) for key, choice in space.items()}


def combination(space: Mapping[str, Choice], points: int, number: int) -> dict[str, Value]:
    """Return the combination of this number, the last setting changing first."""
    lists = {key: _values(choice, points) for key, choice in space.items()}
    found: dict[str, Value] = {}
    rest = number
    for key, values in reversed(lists.items()):
        rest, place = divmod(rest, len(values))
        found[key] = values[place]
    return {key: found[key] for key in space}


def _values(choice: Choice, points: int) -> list[Value]:
    if choice.values is not None:
        return list(choice.values)
    shares = [place / (points - 1) for place in range(points)]
    return list(dict.fromkeys(_between(choice, share) for share in shares))


def _at(choice: Choice, share: float) -> Value:
    """Return the value that has ``share`` in 0..1 of the others below it."""
    if choice.values is not None:
        return choice.values[min(int(share * len(choice.values)), len(choice.values) - 1)]
    return _between(choice, share)


def _between(choice: Choice, share: float) -> Value:
    assert choice.low is not None
    assert choice.high is not None
    low, high = float(choice.low), float(choice.high)
    value = math.exp((1 - share) * math.log(low) + share * math.log(high)) if choice.log else low + share * (high - low)
    value = min(max(value, low), high)
    return round(value) if choice.whole else value
