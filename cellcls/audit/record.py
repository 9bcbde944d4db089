"""The audit as a whole: run it, and write what it found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import WeightPlaces
from cellcls.audit import against as beside
from cellcls.audit.findings import KINDS, Finding, decision_rows, find, in_order
from cellcls.audit.pictures import Looks, draw, look
from cellcls.audit.subject import SIZE, Seen, Subject, open_subject
from cellcls.ops.decisions import DecisionRow, write_decisions
from cellcls.ops.drift import Drift
from cellcls.ops.files import printable, write_bytes, write_json, write_text
from cellcls.ops.near_copies import find_near_copies
from cellcls.registry import Registry

PAGE, RECORD, DECISIONS, FIGURES = "audit.html", "audit.json", "decisions.csv", "figures"
"""What an audit's folder holds."""


@attrs.frozen(kw_only=True, eq=False)
class Audit:
    """A set and all that was found on it."""

    subject: Subject
    findings: tuple[Finding, ...]
    rows: tuple[DecisionRow, ...]
    looks: Looks
    other: Subject | None
    drift: Drift | None
    features: str
    """What distances and labels are judged by."""
    seconds: dict[str, float]
    """How long each step took."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(N,) what the suggested decisions keep."""
        return _kept(self.subject, self.rows)

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind that was looked for."""
        looked_for = [kind for kind in KINDS if kind != "against" or self.other is not None]
        return {kind: sum(one.kind == kind for one in self.findings) for kind in looked_for}


def audit(
    path: Path,
    registry: Registry,
    seen: Seen,
    *,
    against: Path | None = None,
    features: str | None = None,
    weights: WeightPlaces | None = None,
) -> Audit:
    """Look at a set. ``against``: another set to compare with; ``features``: a backbone (``efficientnet_lite0``,
    ``timm:MODEL``) whose features stand in for colour and texture statistics.

    Raises what opening the sets and building the backbone raise.
    """
    clock = _Clock()
    with clock.step("read"):
        subject = open_subject(path, registry, seen)
    values = None
    if features is not None:
        with clock.step("features"):
            values = _features(features, subject, registry, weights or WeightPlaces(), seen)
    seen("looking for near copies", 0, 0)
    with clock.step("near_copies"):
        near = find_near_copies(subject.survey.prints, groups=subject.groups)
    with clock.step("findings"):
        found = find(subject, near, features=values)
    other, shift = None, None
    if against is not None:
        with clock.step("against"):
            other = open_subject(against, registry, seen)
            found = in_order([*found, *beside.shared_pictures(subject, other)])
            shift = beside.compare(subject, other)
    rows = tuple(decision_rows(subject, found))
    with clock.step("looks"):
        looks = look(subject, _kept(subject, rows))
    return Audit(
        subject=subject,
        findings=tuple(found),
        rows=rows,
        looks=looks,
        other=other,
        drift=shift,
        features=features or "colour and texture statistics",
        seconds=clock.seconds,
    )


def write(made: Audit, folder: Path) -> Path:
    """Write page, record, decisions and figures into ``folder``; return the page. Raises ``WriteError``."""
    from cellcls.audit.page import render_audit

    clock = _Clock()
    with clock.step("figures"):
        drawn = draw(made.subject, made.looks, made.kept)
        for name, png in drawn.items():
            write_bytes(folder / FIGURES / name, png)
    with clock.step("page"):
        write_text(folder / PAGE, render_audit(made, drawn))
    made.seconds.update(clock.seconds)
    write_text(folder / DECISIONS, write_decisions(made.subject.hash, len(made.subject), made.rows))
    write_json(folder / RECORD, to_data(made))
    return folder / PAGE


def to_data(made: Audit) -> dict[str, Any]:
    """Return what ``audit.json`` holds."""
    subject = made.subject
    return {
        "data": printable(subject.path),
        "hash": subject.hash,
        "images": len(subject),
        "classes": list(subject.classes),
        "kept": int(made.kept.sum()),
        "counts": made.counts(),
        "features": made.features,
        "seconds": {name: round(value, 3) for name, value in made.seconds.items()},
        "findings": [_finding(subject, one) for one in made.findings],
        "looks": [attrs.asdict(row) for row in made.looks.rows],
        "stains": attrs.asdict(made.looks.stains) if made.looks.stains else None,
        "against": beside.to_data(made.other, made.drift) if made.other and made.drift else None,
    }


def _finding(subject: Subject, one: Finding) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "score": round(one.score, 6),
        "reason": one.reason,
        "rule": one.rule or None,
        "likely": one.likely or None,
        "file": one.file or None,
        "images": [
            {
                "index": index,
                "file": subject.file(index) or None,
                "hash": subject.survey.hashes[index],
                "class": subject.class_name(index),
                "part": subject.part(index) or None,
                "action": one.action(index),
            }
            for index in one.images
        ],
        "others": list(one.others),
    }


def _kept(subject: Subject, rows: tuple[DecisionRow, ...]) -> NDArray[np.bool_]:
    kept = np.ones(len(subject), dtype=np.bool_)
    kept[[row.index for row in rows if row.action == "drop"]] = False
    return kept


def _features(
    name: str, subject: Subject, registry: Registry, weights: WeightPlaces, seen: Seen
) -> NDArray[np.float32]:
    seen(f"importing torch for the features of {name}", 0, 0)
    from cellcls.engine.device import machine
    from cellcls.engine.features import image_features, named_backbone, pretrained
    from cellcls.run.options import Options

    built = pretrained(named_backbone(name, registry), size=SIZE, weights=weights)
    count = len(subject)
    return image_features(
        built,
        subject.source,
        machine(Options(), "float32"),
        size=SIZE,
        seen=lambda done: seen(f"features of {name}", done, count),
    )


@attrs.frozen
class _Clock:
    """How long each step took, in seconds."""

    seconds: dict[str, float] = attrs.field(factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
