"""Comparison of two data sets: the images they share, and how their image statistics differ."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.dataset import AuditedDataset
from cellcls.auditing.findings import Finding
from cellcls.ops.curation.drift import Drift, measure_drift
from cellcls.ops.curation.image_statistics import STATISTICS
from cellcls.ops.curation.near_copies import find_copies_across
from cellcls.ops.curation.thresholds import SIMILARITY

Indices = NDArray[np.int64]


def shared_images(ours: AuditedDataset, theirs: AuditedDataset, *, similarity: float = SIMILARITY) -> list[Finding]:
    """Return a finding for each of our images with an exact or near copy (by ``similarity``) in the other data set."""
    our_members, their_members = ours.groups.members(), theirs.groups.members()
    exact = ours.groups.shared_with(theirs.groups)
    findings = [_finding(ours, theirs, our_members[i], their_members[j]) for i, j in exact.items()]
    prints = (data.survey.prints.take(data.groups.firsts()) for data in (ours, theirs))
    for (i, j), score in find_copies_across(*prints, similarity=similarity).by_pair().items():
        if i not in exact:
            findings.append(_finding(ours, theirs, our_members[i], their_members[j], score))
    return findings


def _finding(
    ours: AuditedDataset, theirs: AuditedDataset, images: Indices, others: Indices, similarity: float | None = None
) -> Finding:
    """Return the finding for our ``images`` that are copies of their ``others``; ``similarity`` None: exact copies."""
    how = "identical pixels" if similarity is None else f"similarity {similarity:.2f}"
    where = theirs.file(int(others[0])) or f"image {others[0]}"
    here, there = (
        ", ".join(dict.fromkeys(map(data.class_name, indices.tolist())))
        for data, indices in ((ours, images), (theirs, others))
    )
    return Finding(
        kind="shared",
        images=tuple(images.tolist()),
        score=1.0 if similarity is None else similarity,
        reason=f"{how} to {where} of {theirs.name}; labelled {here} here, {there} there",
        others=tuple(others.tolist()),
    )


def compare(ours: AuditedDataset, theirs: AuditedDataset) -> Drift:
    """Return how the image statistics of two data sets differ."""
    return measure_drift(
        ours.survey.statistics,
        theirs.survey.statistics,
        STATISTICS,
        our_hashes=ours.survey.hashes,
        their_hashes=theirs.survey.hashes,
    )


def to_json_data(theirs: AuditedDataset, drift: Drift) -> dict[str, object]:
    """Return the comparison as stored in ``audit.json``."""
    return {
        "name": theirs.name,
        "images": len(theirs),
        "hash": theirs.hash,
        "unreadable": [{"file": bad.name, "reason": bad.reason} for bad in theirs.source.bad_images],
        "two_sample_test": None if drift.auc is None else {"auc": drift.auc, "interval": [drift.low, drift.high]},
        "shifts": [attrs.asdict(shift) for shift in drift.shifts if np.isfinite(shift.effect)],
    }
