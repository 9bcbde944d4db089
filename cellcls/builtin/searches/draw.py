"""Values of searched settings: random, or enumerated."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from cellcls.api import Choice, Value


def drawn(space: Mapping[str, Choice], *, seed: int, number: int) -> dict[str, Value]:
    """Return a value of each setting, uniformly distributed (on a logarithmic scale if the choice says so)."""
    rng = np.random.default_rng([seed, number])
    return {key: at(choice, float(rng.random())) for key, choice in space.items()}


def count(space: Mapping[str, Choice], points: int) -> int:
    """Return the number of combinations."""
    return math.prod(len(_values(choice, points)) for choice in space.values())


def combination(space: Mapping[str, Choice], points: int, number: int) -> dict[str, Value]:
    """Return the combination of this number, the last setting changing first."""
    lists = {key: _values(choice, points) for key, choice in space.items()}
    settings: dict[str, Value] = {}
    rest = number
    for key, values in reversed(lists.items()):
        rest, place = divmod(rest, len(values))
        settings[key] = values[place]
    return {key: settings[key] for key in space}


def _values(choice: Choice, points: int) -> list[Value]:
    if choice.values is not None:
        return list(choice.values)
    shares = [place / (points - 1) for place in range(points)]
    low, high = _ends(choice)
    between = [_between(low, high, share, log=choice.log) for share in shares]
    return list(dict.fromkeys(map(round, between) if choice.whole else between))


def at(choice: Choice, share: float) -> Value:
    """Return the value at the quantile ``share`` in [0, 1). Integers correspond to equal intervals, so that the ends
    are as likely as the rest."""
    if choice.values is not None:
        return choice.values[int(share * len(choice.values))]
    low, high = _ends(choice)
    if choice.whole:
        return min(math.floor(_between(low, high + 1, share, log=choice.log)), int(high))
    return _between(low, high, share, log=choice.log)


def _ends(choice: Choice) -> tuple[float, float]:
    assert choice.low is not None
    assert choice.high is not None
    return float(choice.low), float(choice.high)


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    value = math.exp((1 - share) * math.log(low) + share * math.log(high)) if log else low + share * (high - low)
    return min(max(value, low), high)
