"""Components: small frozen classes whose fields are what a recipe may say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast, dataclass_transform

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
    rest: bool = False
    """Whether it takes all keys that no other field does."""

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
        return " and ".join(f"{_RANGE[name][0]} {_plain(bound)}" for name, bound in self.bounds)


def _plain(bound: float) -> str:
    return f"{bound:g}" if abs(bound) < 1e6 else f"{bound:,}"


def param(
    *,
    help: str,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    rest: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> Any:
    """Declare a setting: its default (none: the recipe must say it), its range and one line of help.

    ``factory`` makes a default that is no constant; ``rest``: the setting takes all keys no other field does. The range
    holds for a number, and for each number of a tuple; outside it, building the class raises ``ValueError``.
    """
    bounds = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    given = tuple((name, bound) for name, bound in bounds.items() if bound is not None)
    made = Param(help=help, bounds=given, rest=rest)
    if factory is not None:
        return attrs.field(factory=factory, metadata={"param": made})
    return attrs.field(default=default, validator=_validate if made.bounds else None, metadata={"param": made})


def _validate(_instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    problem = attribute.metadata["param"].problem(value)
    if problem:
        raise ValueError(f"`{attribute.name}` {problem}")


S = TypeVar("S")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def section(cls: type[S]) -> type[S]:
    """Shape a class into a section of a recipe."""
    return attrs.frozen(kw_only=True)(cls)


@attrs.frozen(kw_only=True, slots=False, repr=False)
class Component:
    """What every registered class is; a kind (``Dataset``, ``Head``, ...) is a direct subclass of it."""

    kind: ClassVar[str]
    component_name: ClassVar[str]

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """Yield what is wrong with the settings beyond their types and ranges: the setting, the problem, a hint. A
        recipe error shows each at its place."""
        return ()

    @classmethod
    def catalogue(cls) -> Sequence[Mapping[str, str]]:
        """Return rows of what its settings may name, for ``cellcls describe``."""
        return ()

    def __repr__(self) -> str:
        settings = (f"{field.name}={getattr(self, field.name)!r}" for field in attrs.fields(type(self)))
        return f"{type(self).__name__}({', '.join(settings)})"


C = TypeVar("C", bound=type[Component])
V = TypeVar("V")


def changed(value: V, **settings: Any) -> V:
    """Return a copy of a component or section with some settings changed; their ranges are checked again."""
    return cast("V", attrs.evolve(cast("Any", value), **settings))


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(param,))
def component(name: str) -> Callable[[C], C]:
    """Shape a class into the component recipes call ``name``. It registers nothing: the plugin's hook offers it."""

    def shape(cls: C) -> C:
        shaped = attrs.frozen(kw_only=True, slots=False, repr=False)(cls)  # one repr for all: each costs start-up time
        shaped.component_name = name
        return shaped

    return shape
