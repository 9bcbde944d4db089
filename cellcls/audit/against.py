"""Two sets beside each other: pictures that both hold, and how the one differs from the other."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np

from cellcls.audit.findings import Finding
from cellcls.audit.subject import Subject
from cellcls.ops.drift import Drift, drift
from cellcls.ops.image_statistics import STATISTICS
from cellcls.ops.near_copies import find_near_copies
from cellcls.ops.perceptual import Fingerprints


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
            yield _finding(ours, theirs, tuple(members.tolist()), tuple(found), 1.0)


def _near(ours: Subject, theirs: Subject) -> Iterator[Finding]:
    first, second = ours.groups.firsts(), theirs.groups.firsts()
    joined = Fingerprints.joined([ours.survey.prints.take(first), theirs.survey.prints.take(second)])
    pairs = find_near_copies(joined)
    across = (pairs.first < len(first)) & (pairs.second >= len(first))
    for one, other, alike in zip(
        pairs.first[across].tolist(), pairs.second[across].tolist(), pairs.similarity[across].tolist(), strict=True
    ):
        yield _finding(ours, theirs, (int(first[one]),), (int(second[other - len(first)]),), float(alike))


def _finding(ours: Subject, theirs: Subject, images: tuple[int, ...], others: tuple[int, ...], alike: float) -> Finding:
    names = ", ".join(dict.fromkeys(theirs.class_name(index) for index in others))
    where = theirs.file(others[0]) or f"image {others[0]}"
    how = "the same pixels" if alike == 1.0 else f"similarity {alike:.2f}"
    here = ", ".join(dict.fromkeys(ours.class_name(index) for index in images))
    reason = f"{how} as {where} of {theirs.name}; {here} here, {names} there"
    return Finding(kind="against", images=images, score=alike, reason=reason, others=others)


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
