"""What could not be looked for in a set, and why: nothing found and nothing looked for are two answers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.subject import Subject
from cellcls.ops.curation.suspects import FEWEST


def not_looked_for(subject: Subject, kept: NDArray[np.bool_], *, compared: bool) -> dict[str, str]:
    """Return the kinds of finding that this set says nothing about, and why. ``kept`` (N,): what is not dropped;
    ``compared``: whether there is another set beside it."""
    return dict(_reasons(subject, kept, compared=compared))


def _reasons(subject: Subject, kept: NDArray[np.bool_], *, compared: bool) -> Iterator[tuple[str, str]]:
    parts = None if subject.source.parts is None else np.unique(subject.source.parts)
    if parts is None:
        yield "leaks", "the set brings no parts (train, val, test)"
    elif len(parts) < 2:
        yield "leaks", f"all images are in one part ({parts[0]})"
    different = len(np.unique(subject.groups.group[kept]))
    classes = len(np.unique(subject.labels[kept]))
    if classes < 2:
        yield "wrong_labels", "that needs two classes"
    elif different <= classes:
        yield "wrong_labels", "no class has two different images"
    if len(subject.groups.firsts()) < FEWEST:
        yield "suspects", f"fewer than {FEWEST} different images do not say what is usual"
    if not compared:
        yield "against", "no other set was named (--against OTHER)"
