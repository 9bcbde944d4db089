"""Two sets beside each other: pictures that both hold, and how the one differs from the other."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from cellcls.audit.findings import Finding
from cellcls.audit.subject import Subject
from cellcls.ops.drift import Drift, drift
from cellcls.ops.image_statistics import STATISTICS
from cellcls.ops.near_copies import find_copies_across


def shared_pictures(ours: Subject, theirs: Subject) -> list[Finding]:
    """Return a finding for each of our pictures that the other set holds too, exactly or nearly."""
    exact = list(_exact(ours, theirs))
    known = {index for finding in exact for index in finding.images}
    return exact + [one for one in _near(ours, theirs) if not known & set(one.images)]


def _exact(ours: Subject, theirs: Subject) -> Iterator[Finding]:
    there: dict[str, list[int]] = {}
    for index, value in enumerate(theirs.survey.hashes):
        there.setdefault(value, []).append(index)
    for members in ours.groups.members():
        found = there.get(ours.survey.hashes[members[0]])
        if found:
            yield _finding(ours, theirs, members.tolist(), found)


def _near(ours: Subject, theirs: Subject) -> Iterator[Finding]:
    here, there = ours.groups.members(), theirs.groups.members()
    prints = (one.survey.prints.take(one.groups.firsts()) for one in (ours, theirs))
    pairs = find_copies_across(*prints)
    for (one, other), alike in pairs.by_pair().items():
        yield _finding(ours, theirs, here[one].tolist(), there[other].tolist(), alike)


def _finding(
    ours: Subject, theirs: Subject, images: list[int], others: list[int], similarity: float | None = None
) -> Finding:
    """Return a finding on images of ours that are copies of others of theirs; ``similarity`` None: byte-equal ones."""
    how = "the same pixels" if similarity is None else f"similarity {similarity:.2f}"
    where = theirs.file(others[0]) or f"image {others[0]}"
    here, there = (
        ", ".join(dict.fromkeys(map(subject.class_name, some))) for subject, some in ((ours, images), (theirs, others))
    )
    return Finding(
        kind="against",
        images=tuple(images),
        score=1.0 if similarity is None else similarity,
        reason=f"{how} as {where} of {theirs.name}; {here} here, {there} there",
        others=tuple(others),
    )


def compare(ours: Subject, theirs: Subject) -> Drift:
    """Return how the statistics of two sets differ."""
    return drift(
        ours.survey.statistics,
        theirs.survey.statistics,
        STATISTICS,
        our_hashes=ours.survey.hashes,
        their_hashes=theirs.survey.hashes,
    )


def to_data(theirs: Subject, found: Drift) -> dict[str, object]:
    """Return what ``audit.json`` holds of the comparison."""
    return {
        "name": theirs.name,
        "images": len(theirs),
        "hash": theirs.hash,
        "told_apart": {"auc": found.auc, "interval": [found.low, found.high]},
        "shifts": [attrs.asdict(one) for one in found.shifts if np.isfinite(one.effect)],
    }
