"""The audit as a whole: run it, and write what it found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Features, WeightPlaces
from cellcls.auditing import comparison as beside
from cellcls.auditing.charts import draw
from cellcls.auditing.coverage import not_looked_for
from cellcls.auditing.findings import KINDS, Finding, decision_rows, find, in_order, wrong_labels
from cellcls.auditing.pictures import Looks, look
from cellcls.auditing.subject import SIZE, Seen, Subject, find_dataset, open_subject
from cellcls.ops.curation.decisions import DecisionRow, write_decisions
from cellcls.ops.curation.drift import Drift
from cellcls.ops.curation.near_copies import find_near_copies
from cellcls.ops.curation.thresholds import FAR, SIMILARITY
from cellcls.ops.storage.files import printable, write_bytes, write_json, write_text
from cellcls.registry import Registry

PAGE, RECORD, DECISIONS, FIGURES = "audit.html", "audit.json", "decisions.csv", "figures"
"""What an audit's folder holds."""


@attrs.frozen(kw_only=True)
class Settings:
    """From where on something is a finding; the cleaners have the same settings."""

    similarity: float = SIMILARITY
    """Of near copies, 0..1."""
    far: float = FAR
    """Of images that are far away from the others, in robust standard deviations."""


@attrs.frozen(kw_only=True, eq=False)
class Audit:
    """A set and all that was found on it."""

    subject: Subject
    findings: tuple[Finding, ...]
    rows: tuple[DecisionRow, ...]
    looks: Looks
    other: Subject | None
    other_looks: Looks | None
    drift: Drift | None
    features: str
    """What distances and labels are judged by."""
    settings: Settings
    seconds: dict[str, float]
    """How long each step took."""

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(N,) what the suggested decisions keep."""
        return _kept(self.subject, self.rows)

    @property
    def not_looked_for(self) -> dict[str, str]:
        """The kinds of finding that this set says nothing about, and why."""
        return not_looked_for(self.subject, self.kept, compared=self.other is not None)

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind that was looked for."""
        unknown = self.not_looked_for
        found = Counter(one.kind for one in self.findings)
        return {kind: found[kind] for kind in KINDS if kind not in unknown}


def audit(
    path: Path,
    registry: Registry,
    seen: Seen,
    *,
    against: Path | None = None,
    features: str | None = None,
    weights: WeightPlaces | None = None,
    settings: Settings | None = None,
) -> Audit:
    """Look at a set. ``against``: another set to compare with; ``features``: a backbone (``efficientnet_lite0``,
    ``timm:MODEL``) whose features stand in for colour and texture statistics.

    Raises what opening the sets and building the backbone raise, as far as it can before all is read.
    """
    settings = settings or Settings()
    clock = _Clock()
    dataset = find_dataset(path, registry)
    their_dataset = None if against is None else find_dataset(against, registry)
    network = None if features is None else _network(features, registry, weights or WeightPlaces(), seen)
    with clock.step("read"):
        subject = open_subject(path, dataset, seen)
    values = None
    if network is not None:
        with clock.step("features"):
            values = _features(network, subject, lambda done: seen(f"features of {features}", done, len(subject)))
    seen("looking for near copies", 0, 0)
    with clock.step("near_copies"):
        near = find_near_copies(subject.survey.prints, groups=subject.groups, similarity=settings.similarity)
    with clock.step("findings"):
        found = find(subject, near, features=values, far=settings.far)
    with clock.step("wrong_labels"):
        found += wrong_labels(subject, near, found, features=values)
    other, other_looks, shift = None, None, None
    if against is not None and their_dataset is not None:
        with clock.step("against"):
            other = open_subject(against, their_dataset, seen)
            found += beside.shared_pictures(subject, other, similarity=settings.similarity)
            shift = beside.compare(subject, other)
            other_looks = look(other, np.ones(len(other), dtype=np.bool_))
    found = in_order(found)
    rows = tuple(decision_rows(subject, found))
    with clock.step("looks"):
        looks = look(subject, _kept(subject, rows))
    return Audit(
        subject=subject,
        findings=tuple(found),
        rows=rows,
        looks=looks,
        other=other,
        other_looks=other_looks,
        drift=shift,
        features=features or "colour and texture statistics",
        settings=settings,
        seconds=clock.seconds,
    )


def write(made: Audit, folder: Path) -> Path:
    """Write page, record, decisions and figures into ``folder``; return the page. Raises ``WriteError``."""
    from cellcls.auditing.page import render_audit

    clock = _Clock()
    with clock.step("figures"):
        drawn = draw(made)
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
        "not_looked_for": made.not_looked_for,
        "features": made.features,
        "settings": attrs.asdict(made.settings),
        "seconds": {name: round(value, 3) for name, value in made.seconds.items()},
        "findings": [_finding(subject, one) for one in made.findings],
        "looks": [attrs.asdict(row) for row in made.looks.rows],
        "stains": attrs.asdict(made.looks.stains) if made.looks.stains else None,
        "against": _against(made),
    }


def _against(made: Audit) -> dict[str, Any] | None:
    if made.other is None or made.drift is None or made.other_looks is None:
        return None
    return {**beside.to_data(made.other, made.drift), "looks": [attrs.asdict(row) for row in made.other_looks.rows]}


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


def _network(name: str, registry: Registry, weights: WeightPlaces, seen: Seen) -> Features:
    seen(f"importing torch for the features of {name}", 0, 0)
    from cellcls.engine.features import named_backbone, pretrained

    return pretrained(named_backbone(name, registry), size=SIZE, weights=weights)


def _features(network: Features, subject: Subject, seen: Callable[[int], None]) -> NDArray[np.float32]:
    from cellcls.engine.device import machine
    from cellcls.engine.features import image_features
    from cellcls.runs.options import Options

    return image_features(network, subject.source, machine(Options(), "float32"), size=SIZE, seen=seen)


@attrs.frozen
class _Clock:
    """How long each step took, in seconds."""

    seconds: dict[str, float] = attrs.field(factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
