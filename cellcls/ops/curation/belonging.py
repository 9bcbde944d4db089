"""What images belong to, such as a patient, as a column or a pattern of file names tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cellcls.errors import DataError, suggestion

_EXAMPLES = 3


def is_pattern(group: str) -> bool:
    """Return whether ``[split] group`` is a regular expression for file names instead of a column: it has a bracket."""
    return "(" in group


def values_of(group: str, columns: Mapping[str, Sequence[str]], names: Sequence[str] | None) -> Sequence[str]:
    """Return what each image belongs to (N,): its value in the column ``group``, or what the pattern ``group`` finds in
    its file name (its first bracket). Raises ``DataError`` if there is no such column or an image has no value."""
    if group in columns:
        values = columns[group]
    elif is_pattern(group) and names is not None:
        found = [re.search(group, name) for name in names]
        values = ["" if match is None else match[1] or "" for match in found]
    else:
        known = ", ".join(f"`{name}`" for name in columns) or "none"
        raise DataError(
            f"[split] group = {group!r}: the data set has no such column; it has: {known}",
            f"{suggestion(group, list(columns))}of files, a regular expression with a bracket will do: "
            "'patient_([0-9]+)'",
            "an npz knows nothing of its images but their labels: use a table or a folder",
        )
    without = [row for row, value in enumerate(values) if not value]
    if without:
        examples = ", ".join(str(row if names is None else names[row]) for row in without[:_EXAMPLES])
        raise DataError(
            f"[split] group = {group!r}: {len(without):,} of {len(values):,} images have no value: {examples}"
            + (", ..." if len(without) > _EXAMPLES else ""),
            "give each image one, or remove these images",
        )
    return values
