"""Settings that have moved: read where they were, with a warning that says where they belong."""

from __future__ import annotations

import attrs

from cellcls.recipe.overlay import Layer
from cellcls.recipe.structure import default_use, fields_of
from cellcls.registry import Registry

_MOVED = {("dataset", "fit"): ("input", "fit")}


@attrs.frozen
class Move:
    """A setting found at its former place."""

    old: tuple[str, str]
    new: tuple[str, str]

    def __str__(self) -> str:
        return f"`{self.old[1]}` of [{self.old[0]}] has moved: write it in [{self.new[0]}]"


def follow_moves(layer: Layer, registry: Registry) -> tuple[Layer, list[Move]]:
    """Return ``layer`` with each moved setting at its new place, and the moves made.

    A setting stays where the component has one of this name itself, or where the new place is taken.
    """
    moves = []
    for (section, key), new in _MOVED.items():
        old, table = (section, key), layer.data.get(section)
        target = layer.data.get(new[0], {})
        if not (isinstance(table, dict) and key in table and isinstance(target, dict)) or new[1] in target:
            continue
        cls = registry.find(section, str(table.get("use", default_use((section,)))))
        if cls is None or key in fields_of(cls):
            continue
        layer = _moved(layer, old, new)
        moves.append(Move(old, new))
    return layer, moves


def _moved(layer: Layer, old: tuple[str, str], new: tuple[str, str]) -> Layer:
    table = {key: value for key, value in layer.data[old[0]].items() if key != old[1]}
    target = {**layer.data.get(new[0], {}), new[1]: layer.data[old[0]][old[1]]}
    origins = {(new if path == old else path): origin for path, origin in layer.origins.items()}
    return attrs.evolve(layer, data={**layer.data, old[0]: table, new[0]: target}, origins=origins)
