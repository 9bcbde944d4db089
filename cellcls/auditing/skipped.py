"""Checks that do not apply to a data set. "Nothing found" and "not checked" are different results."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.dataset import AuditedDataset
from cellcls.ops.curation.suspects import MIN_IMAGES


def skipped_checks(data: AuditedDataset, kept: NDArray[np.bool_], *, compared: bool) -> dict[str, str]:
    """Return the kinds of findings that cannot be checked, with the reason. ``kept`` (N,): images that are not dropped;
    ``compared``: whether there is another data set to compare with."""
    return dict(_reasons(data, kept, compared=compared))


def _reasons(data: AuditedDataset, kept: NDArray[np.bool_], *, compared: bool) -> Iterator[tuple[str, str]]:
    parts = None if data.source.parts is None else np.unique(data.source.parts)
    if parts is None:
        yield "leaks", "the data set has no parts (train, val, test)"
    elif len(parts) < 2:
        yield "leaks", f"all images are in one part ({parts[0]})"
    distinct = len(np.unique(data.groups.group[kept]))
    classes = len(np.unique(data.labels[kept]))
    if classes < 2:
        yield "wrong_labels", "two classes are required"
    elif distinct <= classes:
        yield "wrong_labels", "no class has two distinct images"
    if len(data.groups.firsts()) < MIN_IMAGES:
        yield "suspects", f"requires at least {MIN_IMAGES} distinct images"
    if not compared:
        yield "shared", "no other data set was given (--against OTHER)"
