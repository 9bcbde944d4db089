"""The eight blood cell classes and their aliases in other data sets. Classes are matched by name, never by position."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

CLASSES = (
    "basophil",
    "eosinophil",
    "erythroblast",
    "immature_granulocyte",
    "lymphocyte",
    "monocyte",
    "neutrophil",
    "platelet",
)
"""In the order of the challenge's and BloodMNIST's labels 0..7."""

PARTS = ("train", "val", "test")
"""The parts of a data set."""

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""The part that a folder or a value of this name, in lower case, means."""

_ALIASES = {
    **{name.replace("_", " "): name for name in CLASSES},
    **{f"{name}s".replace("_", " "): name for name in CLASSES},
    "ig": "immature_granulocyte",
    "igs": "immature_granulocyte",
    "immature granulocytes(myelocytes, metamyelocytes and promyelocytes)": "immature_granulocyte",  # MedMNIST's
    "thrombocyte": "platelet",
    "thrombocytes": "platelet",
}
"""By case-folded name, with spaces for ``_`` and ``-``."""


def canonical(name: str) -> str:
    """Return the canonical name of a class: ``IG``, ``Immature-Granulocytes`` -> ``immature_granulocyte``.

    Names are compared in Unicode normal form C, case-folded and stripped: ``CD34+`` and ``CD34-`` are two classes. Only
    for the names and aliases of the eight classes, ``_``, ``-`` and spaces are equivalent.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).strip().casefold())
    return _ALIASES.get(re.sub(r"[_\-\s]+", " ", folded), folded)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return class names in the order of the eight blood cells if all are among them, else sorted."""
    there = set(names)
    return tuple(name for name in CLASSES if name in there) if there <= set(CLASSES) else tuple(sorted(there))


def clash(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two different ``names`` of the same class, or None."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(canonical(name), name)
        if other != name:
            return other, name
    return None
