"""Which modules of a backbone a stage leaves as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate, takewhile

import attrs

from cellcls.errors import RecipeError


@attrs.frozen(kw_only=True)
class Depth:
    """What freezing counts: a backbone's weight-bearing modules in call order."""

    weighted: Sequence[str]
    """Their names (``Features.weighted``)."""
    parameters: Mapping[str, int]
    """Number of each one's own parameters."""
    keras_nodes: str | None = None
    """A digit a node of the same network in Keras: the number of weight-bearing modules it stands for."""
    model: str = "this backbone"
    """What messages call the network."""


def frozen_modules(
    depth: Depth,
    freeze: str | None = None,
    *,
    keras_layers: int | None = None,
    fraction: float | None = None,
    until: str | None = None,
) -> tuple[str, ...]:
    """Name the modules whose own parameters (not their children's) are frozen, in call order.

    ``freeze``: ``none`` or ``backbone``, or one of the others instead. ``keras_layers``: the modules among the first
    so many Keras nodes. ``fraction`` in 0..1: the first modules that hold at most this share of the parameters.
    ``until``: all before the first trained module, or the first within the part of this name. Raises ``RecipeError``.
    """
    if keras_layers is not None:
        return tuple(depth.weighted[: _keras_count(depth, keras_layers)])
    if fraction is not None:
        total = sum(depth.parameters[name] for name in depth.weighted)
        reached = accumulate(depth.parameters[name] for name in depth.weighted)
        within = takewhile(lambda count: count <= fraction * total, reached)
        return tuple(depth.weighted[: sum(1 for _ in within)])
    if until is not None:
        return tuple(depth.weighted[: _position(depth, until)])
    return tuple(depth.weighted) if freeze == "backbone" else ()


def _keras_count(depth: Depth, keras_layers: int) -> int:
    if depth.keras_nodes is None:
        raise RecipeError(
            f"`keras_layers`: {depth.model} has no list of Keras layers",
            "use `freeze = { fraction = 0.37 }` (share of the parameters)",
            'or `freeze = { until = "NAME" }` (first trained module)',
        )
    if keras_layers > len(depth.keras_nodes):
        raise RecipeError(
            f"`keras_layers = {keras_layers}`: {depth.model} has {len(depth.keras_nodes)} layers in Keras"
        )
    return sum(int(digit) for digit in depth.keras_nodes[:keras_layers])


def _position(depth: Depth, until: str) -> int:
    for position, name in enumerate(depth.weighted):
        if name == until or name.startswith(f"{until}."):
            return position
    near = get_close_matches(until, depth.weighted, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else _named(depth)
    raise RecipeError(f'`until = "{until}"`: {depth.model} has no module with weights of that name', hint)


def _named(depth: Depth) -> str:
    first, last = ", ".join(depth.weighted[:3]), depth.weighted[-1]
    return f"its modules are called {first}, ..., {last}"
