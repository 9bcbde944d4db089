"""The eight classes of blood cells and the names other sets give them. Sets are matched by name, never by position."""

from __future__ import annotations

import re

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

_ALIASES = {
    "ig": "immature_granulocyte",
    "immature_granulocytes": "immature_granulocyte",
    "immature_granulocytes_myelocytes_metamyelocytes_and_promyelocytes": "immature_granulocyte",
    "thrombocyte": "platelet",
}


def canonical(name: str) -> str:
    """Return the canonical name of a class: ``IG``, ``Immature Granulocytes`` -> ``immature_granulocyte``.

    Case, spaces and hyphens do not matter, nor does a plural of the eight; a name of no known class is returned in
    snake_case.
    """
    plain = re.sub(r"[^\w]+", "_", name.strip().lower()).strip("_")
    plain = _ALIASES.get(plain, plain)
    return plain[:-1] if plain.endswith("s") and plain[:-1] in CLASSES else plain
