"""Two sets beside each other: pictures that both hold, and how the one differs from the other."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.findings import Finding
from cellcls.auditing.subject import Subject
from cellcls.ops.curation.drift import Drift, drift
from cellcls.ops.curation.image_statistics import STATISTICS
from cellcls.ops.curation.near_copies import find_copies_across
from cellcls.ops.curation.thresholds import SIMILARITY

Indices = NDArray[np.int64]


def shared_pictures(ours: Subject, theirs: Subject, *, similarity: float = SIMILARITY) -> list[Finding]:
    """Return a finding for each of our pictures that the other set holds too, exactly or nearly (``similarity``)."""
    here, there = ours.groups.members(), theirs.groups.members()
    exact = ours.groups.shared_with(theirs.groups)
    found = [_finding(ours, theirs, here[one], there[other]) for one, other in exact.items()]
    prints = (one.survey.prints.take(one.groups.firsts()) for one in (ours, theirs))
    pairs = find_copies_across(*prints, similarity=similarity)
    near = {ends: alike for ends, alike in pairs.by_pair().items() if ends[0] not in exact}
    return found + [_finding(ours, theirs, here[one], there[other], alike) for (one, other), alike in near.items()]


def _finding(
    ours: Subject, theirs: Subject, images: Indices, others: Indices, similarity: float | None = None
) -> Finding:
    """Return a finding on images of ours that are copies of others of theirs; ``similarity`` None: byte-equal ones."""
    how = "the same pixels" if similarity is None else f"similarity {similarity:.2f}"
    where = theirs.file(int(others[0])) or f"image {others[0]}"
    here, there = (
        ", ".join(dict.fromkeys(map(subject.class_name, some.tolist())))
        for subject, some in ((ours, images), (theirs, others))
    )
    return Finding(
        kind="against",
        images=tuple(images.tolist()),
        score=1.0 if similarity is None else similarity,
        reason=f"{how} as {where} of {theirs.name}; {here} here, {there} there",
        others=tuple(others.tolist()),
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
        "unreadable": [{"file": bad.name, "reason": bad.reason} for bad in theirs.source.bad_images],
        "told_apart": None if found.auc is None else {"auc": found.auc, "interval": [found.low, found.high]},
        "shifts": [attrs.asdict(one) for one in found.shifts if np.isfinite(one.effect)],
    }
