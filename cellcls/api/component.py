"""Components: small frozen classes whose fields are what a recipe may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, dataclass_transform

import attrs

_RANGE: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": ("at least", lambda value, bound: value >= bound),
    "gt": ("greater than", lambda value, bound: value > bound),
    "le": ("at most", lambda value, bound: value <= bound),
    "lt": ("less than", lambda value, bound: value < bound),
}


@attrs.frozen(kw_only=True)
class Param:
    """What is known of a setting besides its type and default: its range and its help."""

    help: str
    bounds: tuple[tuple[str, float], ...] = ()

    def problem(self, value: Any) -> str | None:
        """Say what is wrong with ``value`` (None: nothing). A range holds for each number of a tuple."""
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int | float):
                continue
            if not all(_RANGE[name][1](number, bound) for name, bound in self.bounds):
                return f"must be {self.range_text()}, not {number!r}"
        return None

    def range_text(self) -> str:
        """Return the range in words: ``at least 0 and less than 1``."""
        return " and ".join(f"{_RANGE[name][0]} {bound:g}" for name, bound in self.bounds)


def param(
    *,
    help: str,
    default: Any = attrs.NOTHING,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare a setting: its default (none: the recipe must say it), its range and one line of help.

    The range holds for a number, and for each number of a tuple. Outside it, building the class raises ``ValueError``.
    """
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    made = Param(help=help, bounds=tuple((name, bound) for name, bound in bounds.items() if bound is not None))
    return attrs.field(default=default, validator=_validate if made.bounds else None, metadata={"param": made})


def _validate(_instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    problem = attribute.metadata["param"].problem(value)
    if problem:
        raise ValueError(f"`{attribute.name}` {problem}")


@attrs.frozen(kw_only=True, slots=False)
class Component:
    """What every registered class is; a kind (``Dataset``, ``Head``, ...) is a direct subclass of it."""

    kind: ClassVar[str]
    component_name: ClassVar[str]


C = TypeVar("C", bound=type[Component])


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def component(name: str) -> Callable[[C], C]:
    """Shape a class into the component recipes call ``name``. It registers nothing: the plugin's hook offers it."""

    def shape(cls: C) -> C:
        shaped = attrs.frozen(kw_only=True, slots=False)(cls)
        shaped.component_name = name
        return shaped

    return shape
