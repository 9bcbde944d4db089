"""Selects the modules of a backbone that a stage freezes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import accumulate, takewhile

import attrs

from cellcls.errors import RecipeError


@attrs.frozen(kw_only=True)
class Depth:
    """The modules of a backbone that have weights, in call order: the units that freezing counts."""

    weighted: Sequence[str]
    """Their names (``Features.weighted``)."""
    parameters: Mapping[str, int]
    """Number of parameters of each module, without those of its children."""
    keras_nodes: str | None = None
    """One digit per layer of the same network in Keras: the number of modules with weights that it covers."""
    model: str = "this backbone"
    """Name of the network in messages."""


def frozen_modules(
    depth: Depth,
    freeze: str | None = None,
    *,
    keras_layers: int | None = None,
    fraction: float | None = None,
    until: str | None = None,
) -> tuple[str, ...]:
    """Return the names of the modules whose own parameters (not those of children) are frozen, in call order.

    Exactly one of: ``freeze``: ``none`` or ``backbone``; ``keras_layers``: the modules within that many first layers of
    Keras; ``fraction`` in 0..1: the first modules with at most this share of the parameters; ``until``: all modules
    before the one of this name, or before the first module inside it. Raises ``RecipeError``.
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
