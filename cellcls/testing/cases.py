"""The settings a component is tested with: an example, and each setting at the ends of its range."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from cellcls.api import Component
from cellcls.recipe import Field, fields_of

_NUDGE = 1e-3
"""Distance to an exclusive bound at which a setting is tested."""


def example(cls: type[Component], given: Mapping[str, Any]) -> Component:
    """Return a component with ``given`` settings and its defaults; numbers without a default get a value in range.

    Fails with advice if another setting without a default is not given.
    """
    filled = dict(given)
    for name, field in fields_of(cls).items():
        if field.required and name not in filled:
            number = _number(field)
            if number is None:
                raise AssertionError(
                    f"`{name}` of {cls.__name__} has no default; set it in the test class: "
                    f'examples = {{"{cls.kind} {cls.component_name}": {{"{name}": ...}}}}'
                )
            filled[name] = number
    return cls(**filled)


def extremes(cls: type[Component]) -> Iterator[tuple[str, Any]]:
    """Yield (setting, value) for each end of a range, each option of a choice, and both booleans."""
    for name, field in fields_of(cls).items():
        for value in dict.fromkeys(_ends(field.type, dict(field.param.bounds))):
            yield name, value


def _ends(target: Any, bounds: Mapping[str, float]) -> Iterator[Any]:
    origin = get_origin(target)
    if target is bool:
        yield from (False, True)
    elif target is int:
        yield from (int(bounds[end]) for end in ("ge", "le") if end in bounds)
        yield from (int(bounds[end]) + step for end, step in (("gt", 1), ("lt", -1)) if end in bounds)
    elif target is float:
        yield from (float(bounds[end]) for end in ("ge", "le") if end in bounds)
        yield from (bounds[end] + step for end, step in (("gt", _NUDGE), ("lt", -_NUDGE)) if end in bounds)
    elif origin is Literal:
        yield from get_args(target)
    elif origin in (Union, types.UnionType):
        yield from (end for arm in get_args(target) for end in _ends(arm, bounds))
    elif target is types.NoneType:
        yield None


def _number(field: Field) -> float | int | None:
    if field.type not in (int, float):
        return None
    ends = list(_ends(field.type, dict(field.param.bounds)))
    if not ends:
        return 1
    return float(sum(ends) / len(ends)) if field.type is float else int(ends[0])
